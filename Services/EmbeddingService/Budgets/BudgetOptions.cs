using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.EmbeddingService.Budgets;

/// <summary>How budgets are kept. Section <c>Embedding:Budgets</c>.</summary>
public sealed class BudgetOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Embedding:Budgets";

    /// <summary>After how long a reservation is given back when the process that made it shows no life.</summary>
    /// <value>2 seconds to 10 minutes. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:02", "00:10:00")]
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a call waits when only reservations of calls under way stand in its way: most of them turn out to be less than was reserved.</summary>
    /// <value>0 to 1 minute. The default is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>From which share of a budget on bulk calls are slowed down.</summary>
    /// <value>0.5 to 1 (never). The default is 0.9.</value>
    [Range(0.5, 1.0)]
    public double ThrottleFrom { get; set; } = 0.9;

    /// <summary>How long a bulk call waits just before a budget is used up; in proportion before.</summary>
    /// <value>0 to 1 minute. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan MaxThrottle { get; set; } = TimeSpan.FromSeconds(2);
}

/// <summary>Validates <see cref="BudgetOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class BudgetOptionsValidator : IValidateOptions<BudgetOptions>;
