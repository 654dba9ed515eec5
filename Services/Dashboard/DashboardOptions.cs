using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.Dashboard;

/// <summary>The dashboard's own settings. Section <c>Dashboard</c>.</summary>
internal sealed class DashboardOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Dashboard";

    /// <summary>
    /// A folder for the keys that seal the login cookie and for the logins that have ended, so that both outlive a restart and hold for several replicas.
    /// </summary>
    /// <value>
    /// A path; the folder is made if it does not exist. The default is none: the keys are in memory, and a restart asks to log in again.
    /// </value>
    public string? KeysFolder { get; set; }

    /// <summary>How long a login holds after the last page.</summary>
    /// <value>1 minute to 7 days. The default is 8 hours.</value>
    [Range(typeof(TimeSpan), "00:01:00", "7.00:00:00")]
    public TimeSpan SessionDuration { get; set; } = TimeSpan.FromHours(8);

    /// <summary>Wrong keys of one address within a minute beyond which each is answered later than the one before; of all addresses 20 times as many.</summary>
    /// <value>1 to 1,000. The default is 5.</value>
    [Range(1, 1000)]
    public int LoginAttemptsPerMinute { get; set; } = 5;

    /// <summary>How long a wrong key keeps its sender waiting for the answer.</summary>
    /// <value>0 to 10 seconds. The default is 0.5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan WrongKeyDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a call of the search API or the embedding service may take before the page says that it does not answer.</summary>
    /// <value>1 second to 2 minutes. The default is 15 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:02:00")]
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How often a page that shows work in progress renews itself.</summary>
    /// <value>1 to 300 seconds. The default is 4 seconds.</value>
    [Range(1, 300)]
    public int RefreshSeconds { get; set; } = 4;
}

/// <summary>Validates <see cref="DashboardOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class DashboardOptionsValidator : IValidateOptions<DashboardOptions>;
