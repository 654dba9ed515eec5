namespace RagPlatform.LocalServers;

/// <summary>Prints what is added to a log file from now on.</summary>
internal sealed class LogRelay : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);

    private readonly CancellationTokenSource _stop = new();
    private readonly string _path;
    private readonly TextWriter _output;
    private readonly Task _work;
    private long _position;

    /// <summary>Begins at the end of the file, which need not exist yet.</summary>
    /// <param name="path">The file.</param>
    /// <param name="output">Where to print.</param>
    public LogRelay(string path, TextWriter output)
    {
        _path = path;
        _output = output;
        _position = File.Exists(path) ? new FileInfo(path).Length : 0;
        _work = WorkAsync();
    }

    /// <summary>Prints what is still there, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        await CopyAsync();
        _stop.Dispose();
    }

    private async Task WorkAsync()
    {
        using var timer = new PeriodicTimer(s_interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await CopyAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    private async Task CopyAsync()
    {
        try
        {
            var file = new FileInfo(_path);
            if (!file.Exists || file.Length == _position)
            {
                return;
            }

            // A file that became shorter was begun anew.
            _position = Math.Min(_position, file.Length < _position ? 0 : file.Length);
            await using var stream = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Position = _position;
            using var reader = new StreamReader(stream);
            await _output.WriteAsync(await reader.ReadToEndAsync());
            await _output.FlushAsync();
            _position = stream.Position;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not readable now; the next round tries again.
        }
    }
}
