using System.Globalization;
using System.Text.RegularExpressions;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>What a provider says about its limits: OpenAI's <c>x-ratelimit-*</c> headers.</summary>
/// <param name="RemainingRequests">Requests that are left; null when it does not say.</param>
/// <param name="ResetRequests">When all of them are there again.</param>
/// <param name="RemainingTokens">Tokens that are left; null when it does not say.</param>
/// <param name="ResetTokens">When all of them are there again.</param>
internal sealed partial record RateLimitState(long? RemainingRequests, TimeSpan ResetRequests, long? RemainingTokens, TimeSpan ResetTokens)
{
    /// <summary>Reads the headers of an answer; null when it has none.</summary>
    public static RateLimitState? Read(Func<string, string?> header)
    {
        var requests = Number(header("x-ratelimit-remaining-requests"));
        var tokens = Number(header("x-ratelimit-remaining-tokens"));
        return requests is null && tokens is null
            ? null
            : new(requests, Duration(header("x-ratelimit-reset-requests")), tokens, Duration(header("x-ratelimit-reset-tokens")));
    }

    /// <summary>When a refused call may be repeated: <c>retry-after-ms</c>, else <c>Retry-After</c> in seconds or as a date, else null.</summary>
    public static TimeSpan? RetryAfter(Func<string, string?> header, DateTimeOffset now)
    {
        if (double.TryParse(header("retry-after-ms"), NumberStyles.Float, CultureInfo.InvariantCulture, out var milliseconds))
        {
            return Clamp(milliseconds / 1000);
        }

        var value = header("retry-after");
        if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds))
        {
            return Clamp(seconds);
        }

        return DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
            ? Clamp((date - now).TotalSeconds)
            : null;
    }

    /// <summary>OpenAI's durations: <c>1s</c>, <c>6m0s</c>, <c>20ms</c>, <c>1h2m3.5s</c>.</summary>
    internal static TimeSpan Duration(string? text)
    {
        if (string.IsNullOrEmpty(text) || DurationPattern().Match(text) is not { Success: true } match)
        {
            return TimeSpan.Zero;
        }

        return Clamp((Part("h") * 3600) + (Part("m") * 60) + Part("s") + (Part("ms") / 1000));

        double Part(string name) => match.Groups[name] is { Success: true, Value: var value } ? double.Parse(value, CultureInfo.InvariantCulture) : 0;
    }

    private static TimeSpan Clamp(double seconds) => double.IsNaN(seconds) ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 86_400));

    private static long? Number(string? text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    [GeneratedRegex(@"^(?:(?<h>\d+(?:\.\d+)?)h)?(?:(?<m>\d+(?:\.\d+)?)m(?!s))?(?:(?<s>\d+(?:\.\d+)?)s)?(?:(?<ms>\d+(?:\.\d+)?)ms)?$", RegexOptions.CultureInvariant, 100)]
    private static partial Regex DurationPattern();
}
