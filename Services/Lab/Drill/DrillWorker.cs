using System.CommandLine;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using RagPlatform.Cli;
using RagPlatform.IndexingWorker;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Drill;

/// <summary>
/// A worker that a drill started as a process of its own, to be killed. It is configured by environment variables. On its standard input it
/// takes <c>arm NAME COUNT</c> (stop at that hit of that failpoint) and <c>go</c>. It says <c>ready</c>, and <c>hit NAME</c> when it has stopped. It ends with
/// its input, so that nothing outlives the drill.
/// </summary>
internal static class DrillWorker
{
    /// <summary>The hidden verb.</summary>
    public static Command Create(CliContext context)
    {
        var command = new Command("worker", "A worker of a drill.") { Hidden = true };
        command.SetAction((_, cancellationToken) => RunAsync(context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, CancellationToken cancellationToken)
    {
        var armed = new Armed(context.Environment.Output);
        Failpoint.Handler = armed.Hit;
        await using var app = IndexingWorkerApp.Build([], builder =>
        {
            // Standard output belongs to the drill.
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
        });
        await app.StartAsync(cancellationToken).ConfigureAwait(false);
        armed.Say("ready");
        while (await Console.In.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            switch (line.Split(' '))
            {
                case ["arm", var name, var count]:
                    armed.Arm(name, int.Parse(count, System.Globalization.CultureInfo.InvariantCulture));
                    break;
                case ["go"]:
                    armed.Go();
                    break;
            }
        }

        // The drill is gone; an orderly end would wait for servers that are gone too.
        Environment.Exit(ExitCode.Success);
        return ExitCode.Success;
    }

    private sealed class Armed(TextWriter output)
    {
        private readonly Lock _lock = new();
        private readonly SemaphoreSlim _go = new(0);
        private string _name = "";
        private int _left;

        public void Arm(string name, int count)
        {
            lock (_lock)
            {
                (_name, _left) = (name, count);
            }
        }

        public void Go() => _go.Release();

        public void Say(string line)
        {
            lock (_lock)
            {
                output.WriteLine(line);
                output.Flush();
            }
        }

        public void Hit(string name)
        {
            lock (_lock)
            {
                if (name != _name || --_left > 0)
                {
                    return;
                }

                _name = "";
                Say("hit " + name);
            }

            _go.Wait();
        }
    }
}
