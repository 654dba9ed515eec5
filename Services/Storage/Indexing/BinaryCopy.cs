using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Writes rows in the binary format of COPY (PostgreSQL manual, "COPY", binary format). Npgsql's own importer does not know the type
/// <c>vector</c>; text would cost an order of magnitude more time.
/// </summary>
internal sealed class BinaryCopy : IAsyncDisposable
{
    private const int FlushSize = 256 * 1024;

    private readonly NpgsqlRawCopyStream _stream;
    private readonly ArrayBufferWriter<byte> _buffer = new(FlushSize + (64 * 1024));

    private BinaryCopy(NpgsqlRawCopyStream stream) => _stream = stream;

    /// <summary>Begins a COPY ... FROM STDIN (FORMAT BINARY).</summary>
    public static async Task<BinaryCopy> BeginAsync(NpgsqlConnection connection, string copySql, CancellationToken cancellationToken)
    {
        var copy = new BinaryCopy(await connection.BeginRawBinaryCopyAsync(copySql, cancellationToken));
        copy._buffer.Write("PGCOPY\n"u8);
        copy._buffer.Write((ReadOnlySpan<byte>)[0xff, 0x0d, 0x0a, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
        return copy;
    }

    /// <summary>Begins a row; so many values have to follow. Flushes when enough is waiting.</summary>
    public async ValueTask BeginRowAsync(short values, CancellationToken cancellationToken)
    {
        if (_buffer.WrittenCount >= FlushSize)
        {
            await FlushAsync(cancellationToken);
        }

        BinaryPrimitives.WriteInt16BigEndian(Reserve(2), values);
    }

    public void Write(int value)
    {
        var span = Reserve(8);
        BinaryPrimitives.WriteInt32BigEndian(span, 4);
        BinaryPrimitives.WriteInt32BigEndian(span[4..], value);
    }

    public void Write(long value)
    {
        var span = Reserve(12);
        BinaryPrimitives.WriteInt32BigEndian(span, 8);
        BinaryPrimitives.WriteInt64BigEndian(span[4..], value);
    }

    public void Write(ReadOnlySpan<byte> value)
    {
        var span = Reserve(4 + value.Length);
        BinaryPrimitives.WriteInt32BigEndian(span, value.Length);
        value.CopyTo(span[4..]);
    }

    public void Write(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        var span = Reserve(4 + length);
        BinaryPrimitives.WriteInt32BigEndian(span, length);
        Encoding.UTF8.GetBytes(value, span[4..]);
    }

    /// <summary>Writes a <c>vector</c> or, with half precision, a <c>halfvec</c>: dimensions, an unused word, the elements.</summary>
    public void WriteVector(ReadOnlySpan<float> vector, bool half)
    {
        var size = half ? 2 : 4;
        var span = Reserve(8 + (vector.Length * size));
        BinaryPrimitives.WriteInt32BigEndian(span, 4 + (vector.Length * size));
        BinaryPrimitives.WriteInt16BigEndian(span[4..], (short)vector.Length);
        BinaryPrimitives.WriteInt16BigEndian(span[6..], 0);
        span = span[8..];
        for (var i = 0; i < vector.Length; i++)
        {
            if (half)
            {
                BinaryPrimitives.WriteHalfBigEndian(span[(i * 2)..], (Half)vector[i]);
            }
            else
            {
                BinaryPrimitives.WriteSingleBigEndian(span[(i * 4)..], vector[i]);
            }
        }
    }

    /// <summary>Ends the COPY. Without it, disposal cancels.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        BinaryPrimitives.WriteInt16BigEndian(Reserve(2), -1);
        await FlushAsync(cancellationToken);
        _completed = true;
        await _stream.DisposeAsync();
    }

    private bool _completed;

    public async ValueTask DisposeAsync()
    {
        if (!_completed)
        {
            await _stream.CancelAsync();
            await _stream.DisposeAsync();
        }
    }

    private Span<byte> Reserve(int length)
    {
        var span = _buffer.GetSpan(length)[..length];
        _buffer.Advance(length);
        return span;
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(_buffer.WrittenMemory, cancellationToken);
        _buffer.ResetWrittenCount();
    }
}
