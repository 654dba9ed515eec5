using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace RagPlatform.Cli.Ingest;

/// <summary>A line of a file.</summary>
/// <param name="Content">Its bytes without the line's end; null when it is too long.</param>
/// <param name="Bytes">How much of the file it took.</param>
internal readonly record struct Line(byte[]? Content, long Bytes);

/// <summary>Reads lines as bytes, so that one that is no UTF-8 does not spoil the next.</summary>
internal static class LineReader
{
    /// <summary>Reads all lines of <paramref name="stream"/>; one longer than <paramref name="longest"/> bytes comes without content.</summary>
    public static async IAsyncEnumerable<Line> ReadAsync(
        Stream stream, int longest, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 1 << 16, leaveOpen: true));
        long dropped = 0;
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            var buffer = read.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = buffer.Slice(0, end);
                yield return ToLine(line, dropped, line.Length + 1);
                dropped = 0;
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }

            if (read.IsCompleted)
            {
                if (buffer.Length + dropped > 0)
                {
                    yield return ToLine(buffer, dropped, buffer.Length);
                }

                reader.AdvanceTo(buffer.End);
                break;
            }

            if (buffer.Length > longest)
            {
                dropped += buffer.Length;
                reader.AdvanceTo(buffer.End);
            }
            else
            {
                reader.AdvanceTo(buffer.Start, buffer.End);
            }
        }

        await reader.CompleteAsync();

        Line ToLine(ReadOnlySequence<byte> bytes, long before, long length) =>
            new(before > 0 || bytes.Length > longest ? null : bytes.ToArray(), before + length);
    }
}
