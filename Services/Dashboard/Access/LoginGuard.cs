using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace RagPlatform.Dashboard.Access;

/// <summary>Counts wrong keys: by address, so that nobody guesses in a row, and in all, so that many addresses do not either.</summary>
internal sealed class LoginGuard(IOptions<DashboardOptions> options, TimeProvider time)
{
    private const int MaxAddresses = 10_000;
    private const int OverallFactor = 20;

    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, Window> _addresses = new(StringComparer.Ordinal);
    private Window _overall = new(DateTimeOffset.MinValue, 0);

    /// <summary>How long an address has to wait before its next key is looked at; zero when it need not.</summary>
    public TimeSpan WaitOf(string address)
    {
        var limit = options.Value.LoginAttemptsPerMinute;
        var own = _addresses.TryGetValue(address, out var window) ? WaitOf(window, limit) : TimeSpan.Zero;
        var overall = WaitOf(_overall, limit * OverallFactor);
        return own > overall ? own : overall;
    }

    /// <summary>Notes a wrong key.</summary>
    public void AddWrong(string address)
    {
        if (_addresses.Count >= MaxAddresses)
        {
            _addresses.Clear();
        }

        _addresses.AddOrUpdate(address, _ => new(time.GetUtcNow(), 1), (_, window) => Next(window));

        // Two wrong keys at the same instant may count as one here: it is a ceiling, not a bill.
        _overall = Next(_overall);
    }

    /// <summary>Forgets an address that had the right key.</summary>
    public void Forget(string address) => _addresses.TryRemove(address, out _);

    private Window Next(Window window)
    {
        var now = time.GetUtcNow();
        return now - window.Start >= s_window ? new(now, 1) : window with { Count = window.Count + 1 };
    }

    private TimeSpan WaitOf(Window window, int limit)
    {
        var left = window.Start.Ticks == 0 ? TimeSpan.Zero : window.Start + s_window - time.GetUtcNow();
        return window.Count >= limit && left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private sealed record Window(DateTimeOffset Start, int Count);
}
