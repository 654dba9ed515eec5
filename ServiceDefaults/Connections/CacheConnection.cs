using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Health;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>What came back from Valkey.</summary>
/// <param name="Answered">Whether the answer was there in time.</param>
/// <param name="Value">The answer; the default without one.</param>
/// <param name="Late">Whether the caller left before the answer, of a Valkey that is well as far as anybody knows.</param>
public readonly record struct CacheAnswer<T>(bool Answered, T? Value, bool Late = false)
{
    /// <summary>Takes it apart for callers to whom late is as good as never.</summary>
    public void Deconstruct(out bool answered, out T? value) => (answered, value) = (Answered, Value);
}

/// <summary>
/// The connection to Valkey, as a thing that may be absent. A command that fails, or takes longer than <see cref="CacheOptions.CommandTimeout"/>, is a
/// miss: counted, never an error to the caller. A caller that leaves says nothing about Valkey, because on a busy machine it is the caller who is late: away
/// it is when the connection is lost, or when for <see cref="CacheOptions.SilenceLimit"/> nothing at all was answered. Then commands cost nothing, and a
/// ping that no caller waits for finds out when it is back.
/// </summary>
public sealed partial class CacheConnection
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string MeterName = "RagPlatform.Cache";

    private static readonly ActivitySource s_source = new(MeterName);

    private readonly CacheOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _skipped;
    private readonly StateLog<bool> _answers;
    private readonly Lock _lock = new();
    private volatile IConnectionMultiplexer? _multiplexer;
    private volatile bool _away;
    private bool _pinging;
    private long? _pingedAt;
    private long _answeredAt = long.MinValue;

    /// <summary>Creates the connection's state; <see cref="Use"/> gives it the connection itself.</summary>
    internal CacheConnection(
        bool isConfigured, IOptions<CacheOptions> options, TimeProvider time, IMeterFactory meters, ILogger<CacheConnection> logger)
    {
        IsConfigured = isConfigured;
        _options = options.Value;
        _time = time;
        _logger = logger;
        _answers = new StateLog<bool>(initial: true, time, Write);

        var meter = meters.Create(MeterName);
        _duration = meter.CreateHistogram<double>(
            "rag.valkey.duration", "s", "How long a command to Valkey took, by outcome: ok, late (its caller had left), timeout or error.");
        _skipped = meter.CreateCounter<long>(
            "rag.valkey.skipped", "{command}", "Commands that were not sent because Valkey was away.");
    }

    /// <summary>Whether a cache is configured at all.</summary>
    public bool IsConfigured { get; }

    /// <summary>Whether a command would be sent now: connected, and not known to be silent.</summary>
    public bool IsAvailable => _multiplexer is { IsConnected: true } multiplexer && !IsAway(multiplexer);

    /// <summary>
    /// The connection, for publish and subscribe; <see langword="null"/> until it was first made. It reconnects by itself.
    /// </summary>
    public IConnectionMultiplexer? Multiplexer => _multiplexer;

    /// <summary>Sends a command.</summary>
    /// <param name="command">Starts the command. It must not block.</param>
    /// <param name="cancellationToken">The caller's; a cancelled caller is the only thing that throws.</param>
    /// <param name="member">The caller's name, which the command's span gets.</param>
    /// <param name="file">The caller's file, likewise.</param>
    /// <returns>
    /// The answer, or the default of <typeparamref name="T"/> (a null value, no elements, <see langword="false"/>) when there is none in
    /// time.
    /// </returns>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<T?> TryAsync<T>(
        Func<IDatabase, Task<T>> command,
        CancellationToken cancellationToken = default,
        [CallerMemberName] string member = "",
        [CallerFilePath] string file = "") =>
        (await TryGetAsync(command, cancellationToken, null, member, file)).Value;

    /// <summary>
    /// Sends a command and says whether it was answered, for callers to whom a default value means something else than no answer.
    /// </summary>
    /// <param name="command">Starts the command. It must not block.</param>
    /// <param name="cancellationToken">The caller's; a cancelled caller is the only thing that throws.</param>
    /// <param name="patience">How long this caller waits; the default is <see cref="CacheOptions.CommandTimeout"/>.</param>
    /// <param name="member">The caller's name, which the command's span gets.</param>
    /// <param name="file">The caller's file, likewise.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<CacheAnswer<T>> TryGetAsync<T>(
        Func<IDatabase, Task<T>> command,
        CancellationToken cancellationToken = default,
        TimeSpan? patience = null,
        [CallerMemberName] string member = "",
        [CallerFilePath] string file = "")
    {
        ArgumentNullException.ThrowIfNull(command);
        if (!IsConfigured)
        {
            return default;
        }

        if (_multiplexer is not { IsConnected: true } multiplexer)
        {
            _skipped.Add(1);
            _answers.Report(false, "not connected");
            return default;
        }

        if (IsAway(multiplexer))
        {
            _skipped.Add(1);
            return default;
        }

        using var activity = Begin(member, file);
        var start = _time.GetTimestamp();
        Task<T>? answer = null;
        try
        {
            answer = command(multiplexer.GetDatabase());
            var value = await answer.WaitAsync(patience ?? _options.CommandTimeout, _time, cancellationToken);
            Record(start, "ok");
            Answered();
            return new(true, value);
        }
        catch (Exception) when (answer is { IsFaulted: false })
        {
            // The time was up, or the caller left.
            activity?.SetStatus(ActivityStatusCode.Error, "late");
            _ = ObserveAsync(answer, start);
            cancellationToken.ThrowIfCancellationRequested();
            return new(false, default, Late: true);
        }
        catch (Exception exception)
        {
            activity?.SetStatus(ActivityStatusCode.Error, exception.GetType().Name);
            Failed(exception, start);
            return default;
        }
    }

    /// <summary>Gives the connection, once it is made.</summary>
    internal void Use(IConnectionMultiplexer multiplexer) => _multiplexer = multiplexer;

    // As SQL: named by who asks, and none outside a trace. The client's own instrumentation makes a span of every command, of those of nobody too.
    private static Activity? Begin(string member, string file)
    {
        if (!s_source.HasListeners() || Activity.Current is null)
        {
            return null;
        }

        var operation = member.EndsWith("Async", StringComparison.Ordinal) ? member[..^"Async".Length] : member;
        return s_source.StartActivity($"{Path.GetFileNameWithoutExtension(file)}.{operation}", ActivityKind.Client)?.SetTag("db.system.name", "redis");
    }

    // What becomes of a command whose caller has left. It takes no token: a late answer is dropped, a late error is seen here.
    private async Task ObserveAsync<T>(Task<T> answer, long start)
    {
        try
        {
            var left = _options.SilenceLimit - _time.GetElapsedTime(start);
            await answer.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, CancellationToken.None);
            Record(start, "late");
            Answered();
        }
        catch (Exception exception)
        {
            _ = answer.ContinueWith(
                static late => late.Exception,
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            Failed(exception, start);
        }
    }

    private void Answered()
    {
        Volatile.Write(ref _answeredAt, _time.GetTimestamp());
        _away = false;
        _answers.Report(true);
    }

    private void Failed(Exception exception, long start)
    {
        Record(start, exception is TimeoutException ? "timeout" : "error");
        if (exception is RedisServerException)
        {
            // The server answers, and refuses: loading, out of memory, not writable.
            Volatile.Write(ref _answeredAt, _time.GetTimestamp());
            LogRefused(_logger, exception.GetType().Name);
            return;
        }

        // Others were answered meanwhile: this one went astray, on a connection that was replaced, say.
        if (Volatile.Read(ref _answeredAt) > start)
        {
            return;
        }

        _away = true;
        _answers.Report(false, exception is TimeoutException ? "no answer" : exception.GetType().Name);
    }

    // Whether it is away; if so, the first to ask after a pause has it pinged, and does not wait for the answer.
    private bool IsAway(IConnectionMultiplexer multiplexer)
    {
        if (!_away)
        {
            return false;
        }

        lock (_lock)
        {
            if (_pinging || (_pingedAt is { } at && _time.GetElapsedTime(at) < _options.BreakDuration))
            {
                return true;
            }

            (_pinging, _pingedAt) = (true, _time.GetTimestamp());
        }

        _ = PingAsync(multiplexer);
        return true;
    }

    private async Task PingAsync(IConnectionMultiplexer multiplexer)
    {
        try
        {
            await multiplexer.GetDatabase().PingAsync();
            Answered();
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException or ObjectDisposedException or OperationCanceledException)
        {
            LogRefused(_logger, exception.GetType().Name);
        }
        finally
        {
            lock (_lock)
            {
                _pinging = false;
            }
        }
    }

    private void Record(long start, string outcome) =>
        _duration.Record(_time.GetElapsedTime(start).TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    private void Write(bool answers, string reason, int changes)
    {
        switch (answers, changes)
        {
            case (true, 1):
                LogAnswers(_logger);
                break;
            case (true, _):
                LogAnswersAgain(_logger, changes);
                break;
            case (false, 1):
                LogAway(_logger, reason);
                break;
            default:
                LogAwayAgain(_logger, reason, changes);
                break;
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The cache answers")]
    private static partial void LogAnswers(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "The cache is away ({Reason}): every lookup is a miss until it is back")]
    private static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(3, LogLevel.Debug, "The cache refused a command ({Failure})")]
    private static partial void LogRefused(ILogger logger, string failure);

    [LoggerMessage(4, LogLevel.Warning, "The cache answers; it came and went, {Changes} changes since the last line")]
    private static partial void LogAnswersAgain(ILogger logger, int changes);

    [LoggerMessage(5, LogLevel.Warning, "The cache is away ({Reason}); it came and went, {Changes} changes since the last line")]
    private static partial void LogAwayAgain(ILogger logger, string reason, int changes);
}
