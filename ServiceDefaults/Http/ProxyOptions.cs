using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>What stands in front of a service. Section <c>Proxy</c>.</summary>
public sealed partial class ProxyOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Proxy";

    /// <summary>
    /// The proxies whose <c>X-Forwarded-For</c>, <c>-Proto</c>, <c>-Host</c> and <c>-Prefix</c> are believed. Whoever else sends them is taken for what
    /// its connection says.
    /// </summary>
    /// <value>Addresses and networks, separated by commas: <c>10.0.0.7, 10.1.0.0/16</c>. The default is empty: nobody is believed.</value>
    public string Known { get; set; } = "";

    /// <summary>The path that the service is reached under, where the proxy does not say so by <c>X-Forwarded-Prefix</c>; it may take it off or not.</summary>
    /// <value>For instance <c>/rag</c>. The default is empty.</value>
    public string PathBase { get; set; } = "";

    /// <summary><see cref="Known"/>, read; an address is a network of one.</summary>
    /// <exception cref="FormatException">An entry is neither an address nor a network.</exception>
    internal IReadOnlyList<IPNetwork> Networks =>
        [.. Known.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Read)];

    internal bool HasValidPathBase => PathBase.Length == 0 || PathForm().IsMatch(PathBase);

    private static IPNetwork Read(string entry) =>
        IPAddress.TryParse(entry, out var address) ? new(address, 8 * address.GetAddressBytes().Length) : IPNetwork.Parse(entry);

    [GeneratedRegex("^(/[A-Za-z0-9._~-]+)+$")]
    private static partial Regex PathForm();
}

/// <summary>Refuses a start with entries that cannot be read: a proxy that is silently unknown would be a riddle.</summary>
internal sealed class ProxyOptionsValidator : IValidateOptions<ProxyOptions>
{
    public ValidateOptionsResult Validate(string? name, ProxyOptions options)
    {
        try
        {
            _ = options.Networks;
        }
        catch (FormatException)
        {
            return ValidateOptionsResult.Fail($"Proxy:Known must be addresses or networks, separated by commas, such as '10.0.0.7, 10.1.0.0/16': '{options.Known}' is not.");
        }

        return options.HasValidPathBase
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"Proxy:PathBase must be a path such as '/rag', without a slash at its end: '{options.PathBase}' is not.");
    }
}
