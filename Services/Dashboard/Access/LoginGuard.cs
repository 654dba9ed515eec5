using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace RagPlatform.Dashboard.Access;

/// <summary>
/// Slows down who guesses, and nobody else: the right key is let in at once however many wrong ones came before it. A wrong one is answered late, the
/// later the more there were within a minute, from its address and in all; and only so many of an address are looked at meanwhile.
/// </summary>
internal sealed class LoginGuard(IOptions<DashboardOptions> options, TimeProvider time)
{
    /// <summary>Keys of one address that may be under way: with the longest delay a guesser has one a second.</summary>
    internal const int MaxUnderWay = 10;

    private const int MaxAddresses = 10_000;
    private const int OverallFactor = 20;

    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_firstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Window> _wrong = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _underWay = new(StringComparer.Ordinal);
    private Window _overall = new(DateTimeOffset.MinValue, 0);

    /// <summary>Whom an address stands for: with IPv6 a network of 64 bits is one caller's.</summary>
    public static string CallerOf(IPAddress? address)
    {
        address = address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
        return address is { AddressFamily: AddressFamily.InterNetworkV6 }
            ? new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), .. new byte[8]]) + "/64"
            : address?.ToString() ?? "";
    }

    /// <summary>Begins to look at a key.</summary>
    /// <returns>False when too many of the caller are under way; else <see cref="Leave"/> has to follow.</returns>
    public bool TryEnter(string caller)
    {
        if (_underWay.AddOrUpdate(caller, 1, (_, count) => count + 1) <= MaxUnderWay)
        {
            return true;
        }

        Leave(caller);
        return false;
    }

    /// <summary>Ends what <see cref="TryEnter"/> has begun.</summary>
    public void Leave(string caller)
    {
        while (_underWay.TryGetValue(caller, out var count))
        {
            if (count <= 1 ? _underWay.TryRemove(new(caller, count)) : _underWay.TryUpdate(caller, count - 1, count))
            {
                return;
            }
        }
    }

    /// <summary>Notes a wrong key.</summary>
    /// <returns>How late it is to be answered.</returns>
    public TimeSpan AddWrong(string caller)
    {
        if (_wrong.Count >= MaxAddresses)
        {
            _wrong.Clear();
        }

        var own = _wrong.AddOrUpdate(caller, _ => new(time.GetUtcNow(), 1), (_, window) => Next(window));

        // Two wrong keys at the same instant may count as one here: it is a brake, not a bill.
        _overall = Next(_overall);
        var limit = options.Value.LoginAttemptsPerMinute;
        return Longer(DelayOf(own.Count - limit), DelayOf(_overall.Count - (limit * OverallFactor)));
    }

    /// <summary>Forgets a caller that had the right key.</summary>
    public void Forget(string caller) => _wrong.TryRemove(caller, out _);

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    // Beyond the limit it doubles with each wrong key.
    private TimeSpan DelayOf(int beyond)
    {
        var ordinary = options.Value.WrongKeyDelay;
        return beyond <= 0 ? ordinary : Longer(ordinary, beyond > 4 ? s_longestDelay : s_firstDelay * (1 << (beyond - 1)));
    }

    private Window Next(Window window)
    {
        var now = time.GetUtcNow();
        return now - window.Start >= s_window ? new(now, 1) : window with { Count = window.Count + 1 };
    }

    private sealed record Window(DateTimeOffset Start, int Count);
}
