namespace RagPlatform.Lab.Bench;

/// <summary>Sends requests at a fixed rate, whether or not earlier ones are answered; a request's time begins when it was due.</summary>
internal static class OpenLoop
{
    /// <summary>Runs it.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="ratePerSecond">How many requests a second.</param>
    /// <param name="count">How many in all.</param>
    /// <param name="send">Sends request number i.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Milliseconds from when each was due to its answer.</returns>
    public static async Task<double[]> RunAsync(
        TimeProvider time, double ratePerSecond, int count, Func<int, Task> send, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var running = new Task<double>[count];
        for (var i = 0; i < count; i++)
        {
            var due = TimeSpan.FromSeconds(i / ratePerSecond);
            var early = due - time.GetElapsedTime(began);
            if (early > TimeSpan.FromMilliseconds(1))
            {
                await Task.Delay(early, time, cancellationToken);
            }

            running[i] = SendAsync(i, due);
        }

        return await Task.WhenAll(running);

        async Task<double> SendAsync(int i, TimeSpan due)
        {
            // A timer that fires late is the bench's own delay, not the request's.
            var started = time.GetElapsedTime(began);
            await send(i);
            var late = started - due > TimeSpan.FromMilliseconds(20) ? due : started;
            return (time.GetElapsedTime(began) - late).TotalMilliseconds;
        }
    }
}
