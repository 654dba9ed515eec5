using System.CommandLine;
using System.Globalization;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Searching;

/// <summary><c>rag load --workspace W</c>: searches at a steady rate, so that there is something to look at.</summary>
internal static class LoadCommand
{
    private const int MostRate = 1000;
    private const int MostInFlight = 64;
    private static readonly TimeSpan s_reportInterval = TimeSpan.FromSeconds(10);

    private static readonly string[] s_questions =
        ["How is a document indexed?", "embedding model", "what happens when the cache is away", "search by keyword and vector", "limits and budgets"];

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var rate = new Option<double>("--rate")
        {
            Description = $"Searches a second, above 0, to {MostRate}.",
            DefaultValueFactory = _ => 10,
        };
        rate.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= MostRate))
            {
                result.AddError($"--rate takes a number above 0, to {MostRate}.");
            }
        });
        var seconds = new Option<int?>("--seconds") { Description = "How long; else until it is stopped." };
        var mode = EnumOption.Create("--mode", "How passages are found.", SearchMode.Hybrid, "-m");
        var command = new Command("load", "Send searches at a steady rate until stopped. The words are those of the workspace's titles.")
        {
            workspace, rate, seconds, mode,
        };
        command.SetAction((parse, cancellationToken) => RunAsync(
            context,
            context.Connect(parse),
            parse.GetRequiredValue(workspace),
            parse.GetValue(rate),
            parse.GetValue(seconds) is { } limit ? TimeSpan.FromSeconds(limit) : null,
            parse.GetValue(mode),
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        CliContext context, RagClient client, string workspace, double rate, TimeSpan? limit, SearchMode mode, CancellationToken cancellationToken)
    {
        var queries = await ReadQueriesAsync(client, workspace, cancellationToken);
        var time = context.Environment.Time;
        var tally = new LoadTally();
        using var places = new SemaphoreSlim(MostInFlight);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1 / rate), time);
        var (began, reported) = (time.GetTimestamp(), time.GetTimestamp());
        var running = new List<Task>();
        try
        {
            for (var i = 0; await timer.WaitForNextTickAsync(cancellationToken); i++)
            {
                running.RemoveAll(search => search.IsCompleted);
                if (places.Wait(0, CancellationToken.None))
                {
                    // The answer is computed: one from the cache shows nothing.
                    var request = new SearchRequest(queries[i % queries.Count], mode, NoCache: true);
                    running.Add(SearchAsync(client, workspace, request, time, tally, places, cancellationToken));
                }
                else
                {
                    tally.Skip();
                }

                if (time.GetElapsedTime(reported) >= s_reportInterval)
                {
                    reported = time.GetTimestamp();
                    await context.Environment.Output.WriteLineAsync(tally.TakeLine());
                }

                if (time.GetElapsedTime(began) >= limit)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped by hand, which is how it ends.
        }

        await Task.WhenAll(running);
        await context.Environment.Output.WriteLineAsync(tally.TakeLine());
        return ExitCode.Success;
    }

    private static async Task<IReadOnlyList<string>> ReadQueriesAsync(RagClient client, string workspace, CancellationToken cancellationToken)
    {
        var documents = await client.ListDocumentsAsync(workspace, cancellationToken: cancellationToken);
        string[] titles = [.. documents.Items.Select(document => document.Title).Where(title => title.Length > 0).Distinct()];
        return [.. s_questions, .. titles];
    }

    private static async Task SearchAsync(
        RagClient client,
        string workspace,
        SearchRequest request,
        TimeProvider time,
        LoadTally tally,
        SemaphoreSlim places,
        CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        try
        {
            await client.SearchAsync(workspace, request, cancellationToken);
            tally.Answer(time.GetElapsedTime(began).TotalMilliseconds);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped.
        }
        catch (Exception e) when (e is HttpRequestException or RagApiException or OperationCanceledException)
        {
            tally.Fail();
        }
        finally
        {
            places.Release();
        }
    }

    /// <summary>What happened since the last line.</summary>
    private sealed class LoadTally
    {
        private readonly Lock _lock = new();
        private readonly List<double> _answers = [];
        private int _failed;
        private int _skipped;

        public void Answer(double milliseconds)
        {
            lock (_lock)
            {
                _answers.Add(milliseconds);
            }
        }

        public void Fail() => Interlocked.Increment(ref _failed);

        public void Skip() => Interlocked.Increment(ref _skipped);

        public string TakeLine()
        {
            double[] answers;
            lock (_lock)
            {
                answers = [.. _answers.Order()];
                _answers.Clear();
            }

            var (failed, skipped) = (Interlocked.Exchange(ref _failed, 0), Interlocked.Exchange(ref _skipped, 0));
            var times = answers.Length == 0
                ? ""
                : string.Create(CultureInfo.InvariantCulture, $"; p50 {At(0.5):0.0} ms, p95 {At(0.95):0.0} ms");
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{answers.Length} answered, {failed} failed, {skipped} left out because {MostInFlight} were under way{times}");

            double At(double share) => answers[Math.Min(answers.Length - 1, (int)(share * answers.Length))];
        }
    }
}
