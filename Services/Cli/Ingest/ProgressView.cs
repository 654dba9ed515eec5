using Spectre.Console;

namespace RagPlatform.Cli.Ingest;

/// <summary>Shows an ingestion: bars with rate and remaining time on a terminal, a line now and then elsewhere.</summary>
internal static class ProgressView
{
    private static readonly TimeSpan s_frame = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_line = TimeSpan.FromSeconds(5);

    /// <summary>Runs <paramref name="work"/> and shows <paramref name="progress"/> meanwhile.</summary>
    public static Task<T> ShowAsync<T>(CliEnvironment environment, IngestProgress progress, Func<Task<T>> work) =>
        environment.ErrorIsTerminal ? ShowBarsAsync(environment, progress, work) : ShowLinesAsync(environment, progress, work);

    private static async Task<T> ShowBarsAsync<T>(CliEnvironment environment, IngestProgress progress, Func<Task<T>> work) =>
        await environment.ErrorConsole().Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async bars =>
            {
                var sending = bars.AddTask("sending", maxValue: Math.Max(1, progress.TotalBytes));
                ProgressTask? indexing = null;
                var rate = new Rate(environment.Time);
                var running = work();
                while (!running.IsCompleted)
                {
                    sending.Value = progress.Bytes;
                    if (progress.Phase == IngestPhase.Sending)
                    {
                        sending.Description = $"sending   {Quantity.Of(progress.Settled, "document")}, {rate.Of(progress.Settled):N0}/s";
                    }
                    else if (progress.IndexingTotal > 0)
                    {
                        if (indexing is null)
                        {
                            indexing = bars.AddTask("indexing");
                            rate = new Rate(environment.Time);
                        }

                        var done = progress.IndexingTotal - progress.IndexingLeft;
                        indexing.MaxValue = progress.IndexingTotal;
                        indexing.Value = done;
                        indexing.Description = $"indexing  {progress.IndexingLeft:N0} left, {rate.Of(done):N0}/s{Retrying(progress)}";
                    }

                    await Task.WhenAny(running, Task.Delay(s_frame, environment.Time));
                }

                return await running;
            });

    private static async Task<T> ShowLinesAsync<T>(CliEnvironment environment, IngestProgress progress, Func<Task<T>> work)
    {
        var sending = new Rate(environment.Time);
        Rate? indexing = null;
        var running = work();
        while (await Task.WhenAny(running, Task.Delay(s_line, environment.Time)) != running)
        {
            if (progress.Phase == IngestPhase.Sending)
            {
                var left = Eta(progress.TotalBytes - progress.Bytes, sending.Of(progress.Bytes));
                environment.Error.WriteLine(
                    $"sending: {Quantity.Of(progress.Settled, "document")}, {Percent(progress.Bytes, progress.TotalBytes)}{left}");
            }
            else
            {
                indexing ??= new Rate(environment.Time);
                var done = progress.IndexingTotal - progress.IndexingLeft;
                var rate = indexing.Of(done);
                environment.Error.WriteLine(
                    $"indexing: {progress.IndexingLeft:N0} left, {rate:N0}/s{Eta(progress.IndexingLeft, rate)}{Retrying(progress)}");
            }
        }

        return await running;
    }

    private static string Percent(long part, long whole) => $"{(whole == 0 ? 100 : 100.0 * part / whole):N0} %";

    private static string Eta(long left, double rate) =>
        rate > 0 ? $", about {TimeSpan.FromSeconds(Math.Ceiling(left / rate)):g} left" : "";

    private static string Retrying(IngestProgress progress) => progress.Retrying > 0 ? $", {progress.Retrying:N0} retrying" : "";

    // Over the whole phase: what is sent comes in batches, so a shorter window would jump.
    private sealed class Rate(TimeProvider time)
    {
        private readonly long _start = time.GetTimestamp();
        private double _first = double.NaN;

        public double Of(double value)
        {
            if (double.IsNaN(_first))
            {
                _first = value;
            }

            var seconds = time.GetElapsedTime(_start).TotalSeconds;
            return seconds > 0 ? (value - _first) / seconds : 0;
        }
    }
}
