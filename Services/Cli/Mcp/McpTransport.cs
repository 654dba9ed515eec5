using System.Threading.Channels;
using ModelContextProtocol.Protocol;

namespace RagPlatform.Cli.Mcp;

/// <summary>
/// Between a transport and the server: a protocol version that is not known is answered with the newest that is, as the protocol demands
/// (the server refuses it), and the input's end is held back until everything is answered.
/// </summary>
internal sealed class McpTransport : ITransport
{
    // The newest that begins with 'initialize'.
    private const string Newest = "2025-11-25";

    // Nothing that a tool does takes longer.
    private static readonly TimeSpan s_longestAnswer = TimeSpan.FromMinutes(5);

    private static readonly HashSet<string> s_known = ["2024-11-05", "2025-03-26", "2025-06-18", Newest];

    private readonly ITransport _inner;
    private readonly HeldInput _input;
    private readonly Channel<JsonRpcMessage> _messages = Channel.CreateUnbounded<JsonRpcMessage>(new() { SingleReader = true, SingleWriter = true });
    private readonly Lock _lock = new();
    private readonly HashSet<RequestId> _pending = [];
    private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _pump;
    private bool _hasEnded;

    /// <param name="inner">The transport.</param>
    /// <param name="input">What it reads.</param>
    public McpTransport(ITransport inner, HeldInput input)
    {
        (_inner, _input) = (inner, input);
        _pump = PumpAsync();
    }

    /// <inheritdoc />
    public string? SessionId => _inner.SessionId;

    /// <inheritdoc />
    public ChannelReader<JsonRpcMessage> MessageReader => _messages.Reader;

    /// <inheritdoc />
    public async Task SendMessageAsync(JsonRpcMessage message, CancellationToken cancellationToken = default)
    {
        await _inner.SendMessageAsync(message, cancellationToken).ConfigureAwait(false);
        if (message is JsonRpcResponse or JsonRpcError && message is JsonRpcMessageWithId answer)
        {
            Settle(answer.Id);
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        _input.Release();
        await _pump.ConfigureAwait(false);
        _end.Dispose();
    }

    private async Task PumpAsync()
    {
        try
        {
            await foreach (var message in _inner.MessageReader.ReadAllAsync(_end.Token).ConfigureAwait(false))
            {
                switch (message)
                {
                    case JsonRpcNotification { Method: HeldInput.EndMethod }:
                        await ReleaseAsync().ConfigureAwait(false);
                        continue;
                    case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled:
                        Forget(cancelled);
                        break;
                    case JsonRpcRequest request:
                        Negotiate(request);
                        lock (_lock)
                        {
                            _pending.Add(request.Id);
                        }

                        break;
                }

                await _messages.Writer.WriteAsync(message, _end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // Nobody reads any longer.
        }
        finally
        {
            _messages.Writer.TryComplete();
        }
    }

    private static void Negotiate(JsonRpcRequest request)
    {
        if (request is { Method: RequestMethods.Initialize, Params: System.Text.Json.Nodes.JsonObject parameters }
            && parameters["protocolVersion"] is System.Text.Json.Nodes.JsonValue value
            && value.TryGetValue<string>(out var version) && !s_known.Contains(version))
        {
            parameters["protocolVersion"] = Newest;
        }
    }

    // A request that was cancelled gets no answer.
    private void Forget(JsonRpcNotification cancelled)
    {
        if (cancelled.Params?["requestId"] is System.Text.Json.Nodes.JsonValue id)
        {
            Settle(id.TryGetValue<string>(out var text) ? new RequestId(text) : id.TryGetValue<long>(out var number) ? new RequestId(number) : default);
        }
    }

    private void Settle(RequestId id)
    {
        lock (_lock)
        {
            _pending.Remove(id);
            if (_hasEnded && _pending.Count == 0)
            {
                _answered.TrySetResult();
            }
        }
    }

    private async Task ReleaseAsync()
    {
        lock (_lock)
        {
            _hasEnded = true;
            if (_pending.Count == 0)
            {
                _answered.TrySetResult();
            }
        }

        try
        {
            await _answered.Task.WaitAsync(s_longestAnswer, _end.Token).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Whoever asked has left long ago.
        }

        _input.Release();
    }
}
