using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>
/// The connection to Valkey, as a thing that may be absent. A command that fails, or takes longer than
/// <see cref="CacheOptions.CommandTimeout"/>, is a miss: counted, logged once per change of state, never an error to the caller. Failures
/// in a row open a breaker, and then it costs nothing.
/// </summary>
public sealed partial class CacheConnection
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "RagPlatform.Cache";

    private readonly CacheBreaker _breaker;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _skipped;
    private volatile IConnectionMultiplexer? _multiplexer;
    private int _answering = -1;

    /// <summary>Creates the connection's state; <see cref="Use"/> gives it the connection itself.</summary>
    internal CacheConnection(
        bool isConfigured, IOptions<CacheOptions> options, TimeProvider time, IMeterFactory meters, ILogger<CacheConnection> logger)
    {
        IsConfigured = isConfigured;
        _time = time;
        _logger = logger;
        _timeout = options.Value.CommandTimeout;
        _breaker = new CacheBreaker(options.Value.BreakDuration, time);

        var meter = meters.Create(MeterName);
        _duration = meter.CreateHistogram<double>(
            "rag.valkey.duration", "s", "How long a command to Valkey took, by outcome: ok, timeout or error.");
        _skipped = meter.CreateCounter<long>(
            "rag.valkey.skipped", "{command}", "Commands that were not sent because Valkey was away or the breaker open.");
    }

    /// <summary>Whether a cache is configured at all.</summary>
    public bool IsConfigured { get; }

    /// <summary>Whether a command would be sent now: connected, and the breaker closed.</summary>
    public bool IsAvailable => _multiplexer is { IsConnected: true } && !_breaker.IsOpen;

    /// <summary>
    /// The connection, for publish and subscribe; <see langword="null"/> until it was first made. It reconnects by itself.
    /// </summary>
    public IConnectionMultiplexer? Multiplexer => _multiplexer;

    /// <summary>Sends a command.</summary>
    /// <param name="command">Starts the command. It must not block.</param>
    /// <param name="cancellationToken">The caller's; a cancelled caller is the only thing that throws.</param>
    /// <returns>
    /// The answer, or the default of <typeparamref name="T"/> (a null value, no elements, <see langword="false"/>) when there is none in
    /// time.
    /// </returns>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<T?> TryAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancellationToken = default)
    {
        var (_, value) = await TryGetAsync(command, cancellationToken);
        return value;
    }

    /// <summary>
    /// Sends a command and says whether it was answered, for callers to whom a default value means something else than no answer.
    /// </summary>
    /// <inheritdoc cref="TryAsync{T}"/>
    public async ValueTask<(bool Answered, T? Value)> TryGetAsync<T>(
        Func<IDatabase, Task<T>> command, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        if (!IsConfigured)
        {
            return default;
        }

        if (_multiplexer is not { IsConnected: true } multiplexer)
        {
            _skipped.Add(1);
            Report(answering: false, "not connected");
            return default;
        }

        if (!_breaker.TryEnter())
        {
            _skipped.Add(1);
            return default;
        }

        var start = _time.GetTimestamp();
        Exception? failure = null;
        T? answer = default;
        try
        {
            answer = await SendAsync(multiplexer, command, cancellationToken);
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        return Conclude(answer, failure, _time.GetElapsedTime(start), cancellationToken);
    }

    /// <summary>Gives the connection, once it is made.</summary>
    internal void Use(IConnectionMultiplexer multiplexer) => _multiplexer = multiplexer;

    // The command itself takes no token: a late answer is dropped by the connection, and a late error must not surface as unobserved.
    private Task<T> SendAsync<T>(IConnectionMultiplexer multiplexer, Func<IDatabase, Task<T>> command, CancellationToken cancellationToken)
    {
        var answer = command(multiplexer.GetDatabase());
        if (answer.IsCompleted)
        {
            return answer;
        }

        _ = answer.ContinueWith(
            static late => late.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return answer.WaitAsync(_timeout, _time, cancellationToken);
    }

    private (bool Answered, T? Value) Conclude<T>(T? answer, Exception? failure, TimeSpan elapsed, CancellationToken cancellationToken)
    {
        if (failure is null)
        {
            _breaker.Succeeded();
            Record(elapsed, "ok");
            Report(answering: true, "");
            return (true, answer);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            _breaker.Abandoned();
            cancellationToken.ThrowIfCancellationRequested();
        }

        Record(elapsed, failure is TimeoutException ? "timeout" : "error");
        if (failure is RedisServerException)
        {
            // The server answers, and refuses: loading, out of memory, not writable.
            _breaker.Succeeded();
            LogRefused(_logger, failure.GetType().Name);
        }
        else
        {
            _breaker.Failed();
            Report(answering: false, failure is TimeoutException ? "no answer in time" : failure.GetType().Name);
        }

        return default;
    }

    private void Record(TimeSpan elapsed, string outcome) =>
        _duration.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    private void Report(bool answering, string reason)
    {
        var now = answering ? 1 : 0;
        if (Volatile.Read(ref _answering) == now || Interlocked.Exchange(ref _answering, now) == now)
        {
            return;
        }

        if (answering)
        {
            LogAnswers(_logger);
        }
        else
        {
            LogAway(_logger, reason);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The cache answers")]
    private static partial void LogAnswers(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "The cache is away ({Reason}): every lookup is a miss until it is back")]
    private static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(3, LogLevel.Debug, "The cache refused a command ({Failure})")]
    private static partial void LogRefused(ILogger logger, string failure);
}
