using System.IO.Compression;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>
/// Takes compressed request bodies: <c>gzip</c>, <c>br</c> and <c>deflate</c>. What comes out is limited as any body is, however small it was packed. What is
/// wrong is found where the body is read, and answered as any other bad body of the service.
/// </summary>
internal sealed class CompressedBodies(IOptions<RequestLimits> limits) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use((context, following) =>
        {
            var headers = context.Request.Headers;
            if (headers.ContentEncoding.ToString() is { Length: > 0 } encoding && !string.Equals(encoding, "identity", StringComparison.OrdinalIgnoreCase))
            {
                context.Request.Body = Open(context, encoding);
                headers.ContentEncoding = default;
                context.Request.ContentLength = null;
            }

            return following(context);
        });
        next(app);
    };

    private UnpackedBody Open(HttpContext context, string encoding)
    {
        var packed = context.Request.Body;
        Stream? unpacked = encoding.Trim().ToLowerInvariant() switch
        {
            "gzip" or "x-gzip" => new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true),
            "br" => new BrotliStream(packed, CompressionMode.Decompress, leaveOpen: true),
            "deflate" => new ZLibStream(packed, CompressionMode.Decompress, leaveOpen: true),
            _ => null,
        };
        if (unpacked is null)
        {
            context.Response.Headers.AcceptEncoding = "gzip, br, deflate";
        }
        else
        {
            context.Response.RegisterForDispose(unpacked);
        }

        return new UnpackedBody(unpacked, limits.Value.MaxRequestBodyBytes);
    }

    /// <summary>What was packed, up to a limit.</summary>
    /// <param name="unpacked">The unpacked bytes; null when it is not known how to unpack them.</param>
    /// <param name="limit">Bytes, at most.</param>
    private sealed class UnpackedBody(Stream? unpacked, long limit) : Stream
    {
        private long _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (unpacked is null)
            {
                throw new BadHttpRequestException("The body's Content-Encoding must be gzip, br or deflate.", StatusCodes.Status415UnsupportedMediaType);
            }

            int count;
            try
            {
                count = await unpacked.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is InvalidDataException or InvalidOperationException)
            {
                throw new BadHttpRequestException("The body is not what its Content-Encoding says.", StatusCodes.Status400BadRequest, exception);
            }

            _read += count;
            return _read <= limit ? count : throw new BadHttpRequestException(
                $"The body is larger than {limit:N0} bytes when it is unpacked.", StatusCodes.Status413PayloadTooLarge);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Bodies are read asynchronously.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
