using System.Text;

namespace RagPlatform.Cli.Mcp;

/// <summary>
/// An input that does not end before what it asked for is answered: a transport that has read the end drops every later answer. In the place
/// of the end comes a notification, behind all that was asked; the end follows when <see cref="Release"/> says so.
/// </summary>
/// <param name="inner">The input.</param>
internal sealed class HeldInput(Stream inner) : Stream
{
    /// <summary>The notification's method.</summary>
    public const string EndMethod = "notifications/rag/end-of-input";

    // The last line may have no end of its own.
    private static readonly byte[] s_end = Encoding.UTF8.GetBytes($$"""{{"\n"}}{"jsonrpc":"2.0","method":"{{EndMethod}}"}{{"\n"}}""");

    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _sent = -1;

    /// <inheritdoc />
    public override bool CanRead => true;

    /// <inheritdoc />
    public override bool CanSeek => false;

    /// <inheritdoc />
    public override bool CanWrite => false;

    /// <inheritdoc />
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc />
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Lets the input end.</summary>
    public void Release() => _released.TrySetResult();

    /// <inheritdoc />
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_sent < 0)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (read > 0 || buffer.IsEmpty)
            {
                return read;
            }

            _sent = 0;
        }

        if (_sent < s_end.Length)
        {
            var length = Math.Min(buffer.Length, s_end.Length - _sent);
            s_end.AsMemory(_sent, length).CopyTo(buffer);
            _sent += length;
            return length;
        }

        await _released.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return 0;
    }

    /// <inheritdoc />
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc />
    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc />
    public override void Flush()
    {
    }

    /// <inheritdoc />
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc />
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
