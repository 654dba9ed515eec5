using System.Globalization;
using Microsoft.AspNetCore.Http.Timeouts;

namespace RagPlatform.SearchApi.Documents;

/// <summary>The preference <c>wait</c> of RFC 7240: how long the answer to a write may wait until what was written is searchable.</summary>
internal static class PreferWait
{
    /// <summary>Longer waits are cut to this.</summary>
    public const int MaxSeconds = 60;

    /// <summary>Seconds that the caller wants to wait, 1 to 60; null when it does not, or not in a form that is understood (which is to be ignored).</summary>
    public static int? Read(IHeaderDictionary headers)
    {
        foreach (var preference in headers.GetCommaSeparatedValues("Prefer"))
        {
            // Parameters of a preference follow behind semicolons; wait has none.
            var parts = preference.Split(';')[0].Split('=');
            if (parts.Length == 2
                && parts[0].Trim().Equals("wait", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(parts[1].Trim().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                && seconds > 0)
            {
                return Math.Min(seconds, MaxSeconds);
            }
        }

        return null;
    }

    /// <summary>From here on the request waits, within a time of its own, and no longer has to answer within that of all requests.</summary>
    public static void Begin(HttpContext context) => context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();

    /// <summary>Says that the preference was followed.</summary>
    public static void Confirm(IHeaderDictionary headers, int seconds) =>
        headers["Preference-Applied"] = string.Create(CultureInfo.InvariantCulture, $"wait={seconds}");
}
