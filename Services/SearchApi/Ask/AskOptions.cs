using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.SearchApi.Ask;

/// <summary>The chat model that answers questions, at any endpoint that speaks OpenAI's protocol. Section <c>Ask</c>.</summary>
public sealed class AskOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Ask";

    /// <summary>The endpoint with its version, for instance <c>http://localhost:11434/v1</c>.</summary>
    /// <value>An absolute address, or nothing: then questions are answered with 501. There is no default.</value>
    public Uri? BaseUrl { get; set; }

    /// <summary>The endpoint's key.</summary>
    /// <value>Any text; endpoints without keys ignore it.</value>
    public string ApiKey { get; set; } = "none";

    /// <summary>The model's name at the endpoint.</summary>
    /// <value>1 to 200 characters. There is no default.</value>
    [StringLength(200)]
    public string Model { get; set; } = "";

    /// <summary>How long an answer may take.</summary>
    /// <value>1 second to 1 hour. The default is 2 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>Whether questions can be answered.</summary>
    internal bool IsConfigured => BaseUrl is not null && Model.Length > 0;
}

/// <summary>Validates <see cref="AskOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class AskOptionsValidator : IValidateOptions<AskOptions>;
