using System.CommandLine;
using System.Globalization;
using System.Net.Http.Json;
using Microsoft.Extensions.Logging;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Drill;

/// <summary>
/// <c>rag drill neighbours</c>: a workspace whose budget is used up, one whose provider never answers, and one that is flooded with documents and
/// searches, beside a healthy one that must not notice. The healthy and the flooded one share a provider that takes 100 ms a call.
/// </summary>
internal sealed class NeighboursDrill(BenchContext bench, EphemeralNode node, ScriptedEmbeddingServer provider)
{
    private const string Healthy = "healthy";
    private const string Flooded = "flooded";
    private const string Spent = "spent";
    private const string Dead = "dead";
    private const string DeadModel = "dead";

    private const int SearchesPerSecond = 10;
    private const int EditsPerSecond = 5;
    private const int FloodedPutsPerSecond = 40;
    private const int FloodedSearchesPerSecond = 10;
    private const int Callers = 10;

    private static readonly TimeSpan s_latency = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_never = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_recovery = TimeSpan.FromSeconds(60);

    private readonly DrillTexts _texts = new(bench.Random);
    private bool _answers;
    private int _number;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var seconds = new Option<int>("--seconds") { Description = "How long each half takes.", HelpName = "N", DefaultValueFactory = _ => 20 };
        return BenchCommand.Create(
            context,
            "neighbours",
            "A spent budget, a provider that never answers and a flood, beside a healthy workspace that must not notice.",
            [seconds],
            async bench =>
            {
                var provider = await bench.StartProviderAsync(s_latency).ConfigureAwait(false);
                var settings = BenchContext.SettingsFor(provider);
                foreach (var (key, value) in new Dictionary<string, string?>
                {
                    ["Embedding:Providers:dead:BaseUrl"] = provider.Address.ToString(),
                    ["Embedding:Providers:dead:ApiKey"] = "dead",
                    ["Embedding:Providers:dead:RequestsPerMinute"] = "0",
                    ["Embedding:Providers:dead:Timeout"] = "00:00:05",
                    ["Embedding:Models:1:Name"] = DeadModel,
                    ["Embedding:Models:1:Providers:0"] = "dead",
                    ["Embedding:Models:1:Dimensions"] = provider.Dimensions.ToString(CultureInfo.InvariantCulture),
                    ["Embedding:Models:1:Normalized"] = "true",
                    ["Embedding:Models:1:PricePerMillionTokens"] = "0",
                    ["Embedding:Canary:Enabled"] = "false",
                })
                {
                    settings[key] = value;
                }

                var node = await bench.StartNodeAsync(new SingleNodeOptions { LogLevel = LogLevel.Critical, Durable = false, Settings = settings })
                    .ConfigureAwait(false);
                await new NeighboursDrill(bench, node, provider).RunAsync(bench.Run.Parse.GetValue(seconds)).ConfigureAwait(false);
            });
    }

    private async Task RunAsync(int seconds)
    {
        provider.Script = request => new(Latency: request.Model == DeadModel && !Volatile.Read(ref _answers) ? s_never : s_latency);
        await PrepareAsync().ConfigureAwait(false);

        // What comes first pays for code that is not compiled yet.
        await MeasureAsync(5).ConfigureAwait(false);
        var alone = await MeasureAsync(seconds).ConfigureAwait(false);
        Tell("alone", alone);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(bench.CancellationToken);
        Task[] neighbours = [FloodAsync(end.Token), .. Enumerable.Range(0, Callers).SelectMany(i => new[] { CallAsync(Spent, end.Token), CallAsync(Dead, end.Token) })];
        await PutAsync(Spent, 300).ConfigureAwait(false);
        await PutAsync(Dead, 300).ConfigureAwait(false);
        await Task.Delay(s_settling, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var beside = await MeasureAsync(seconds).ConfigureAwait(false);
        Tell("beside", beside);
        await end.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(neighbours).ConfigureAwait(false);

        bench.Figures.Add("neighbours.search_p95_ratio", Percentiles.Of(beside.Searches, 95) / Percentiles.Of(alone.Searches, 95), "", Figure.AtMost(1.2));
        bench.Figures.Add("neighbours.freshness_p95_ratio", Percentiles.Of(beside.Edits, 95) / Percentiles.Of(alone.Edits, 95), "", Figure.AtMost(1.2));
        bench.Figures.Add("neighbours.stuck_tasks", await CountStuckAsync().ConfigureAwait(false), "", "==0");
    }

    private async Task PrepareAsync()
    {
        foreach (var (name, model) in new[] { (Healthy, (string?)null), (Flooded, null), (Spent, null), (Dead, DeadModel) })
        {
            await node.Client.CreateWorkspaceAsync(new(name, Model: model), bench.CancellationToken).ConfigureAwait(false);
        }

        await PutAsync(Healthy, 300).ConfigureAwait(false);
        await WaitUntilIdleAsync(Healthy).ConfigureAwait(false);
        await SetBudgetAsync(1).ConfigureAwait(false);
    }

    // Hybrid searches that nobody has made before, and edits that are waited for: both on a clock of their own.
    private async Task<(double[] Searches, double[] Edits)> MeasureAsync(int seconds)
    {
        var searches = OpenLoop.RunAsync(
            bench.Time, SearchesPerSecond, seconds * SearchesPerSecond, _ => SearchAsync(Healthy, bench.CancellationToken), bench.CancellationToken);
        var edits = OpenLoop.RunAsync(
            bench.Time,
            EditsPerSecond,
            seconds * EditsPerSecond,
            i => node.Client.PutDocumentAsync(Healthy, $"edit{i % 50}", new(Text()), s_wait, bench.CancellationToken),
            bench.CancellationToken);
        return (await searches.ConfigureAwait(false), await edits.ConfigureAwait(false));
    }

    private async Task FloodAsync(CancellationToken cancellationToken)
    {
        var puts = ForeverAsync(FloodedPutsPerSecond, cancellationToken, () => PutAsync(Flooded, 1));
        await ForeverAsync(FloodedSearchesPerSecond, cancellationToken, () => SearchAsync(Flooded, cancellationToken)).ConfigureAwait(false);
        await puts.ConfigureAwait(false);
    }

    // A caller that tries again each second, as those do who do not notice that nothing comes of it.
    private Task CallAsync(string workspace, CancellationToken cancellationToken) =>
        ForeverAsync(1, cancellationToken, () => SearchAsync(workspace, cancellationToken));

    private async Task ForeverAsync(int perSecond, CancellationToken cancellationToken, Func<Task> action)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond, bench.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                try
                {
                    await action().ConfigureAwait(false);
                }
                catch (RagApiException)
                {
                    // 429 and 503 are answers to them.
                }
            }
        }
        catch (OperationCanceledException) when (!bench.CancellationToken.IsCancellationRequested)
        {
            // The half is over.
        }
    }

    private Task SearchAsync(string workspace, CancellationToken cancellationToken) =>
        node.Client.SearchAsync(workspace, new(Query(), SearchMode.Hybrid, NoCache: true), cancellationToken);

    private async Task PutAsync(string workspace, int count) => await node.Client.PutDocumentsAsync(
        workspace, [.. Enumerable.Range(0, count).Select(_ => new BatchDocument($"d{Next()}", Text()))], cancellationToken: bench.CancellationToken)
        .ConfigureAwait(false);

    // After the budget is raised and the provider answers again, nothing may be left; and until then, whatever waits must say why.
    private async Task<long> CountStuckAsync()
    {
        var stuck = 0L;
        foreach (var (workspace, cause) in new[] { (Spent, "budget"), (Dead, null) })
        {
            var status = await node.Client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false);
            var says = status.Rests?.Select(rest => rest.Cause).ToList() ?? [];
            bench.Progress($"{workspace}: {status.Queued} queued, {status.Retrying} retrying, {status.DeadLettered} dead letters; rests: {string.Join(", ", says)}");
            stuck += status.Retrying + status.DeadLettered;
            if (says.Count == 0 || (cause is not null && !says.Contains(cause)))
            {
                stuck += status.Queued;
            }
        }

        Volatile.Write(ref _answers, true);
        await SetBudgetAsync(1_000_000_000).ConfigureAwait(false);
        foreach (var workspace in new[] { Healthy, Flooded, Spent, Dead })
        {
            var began = bench.Time.GetTimestamp();
            stuck += await WaitUntilIdleAsync(workspace).ConfigureAwait(false);
            bench.Progress(FormattableString.Invariant($"{workspace}: idle after {bench.Time.GetElapsedTime(began).TotalSeconds:0.0} s"));
        }

        return stuck;
    }

    // Tasks that are left when the time is over, dead letters included.
    private async Task<long> WaitUntilIdleAsync(string workspace)
    {
        var began = bench.Time.GetTimestamp();
        while (true)
        {
            var status = await node.Client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false);
            var left = status.Queued + status.Retrying;
            if (left == 0 || bench.Time.GetElapsedTime(began) > s_recovery)
            {
                return left + status.DeadLettered;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private async Task SetBudgetAsync(long tokens)
    {
        using var http = bench.Run.Context.CreateHttpClient(new(node.App.EmbeddingAddress, node.App.AdminKey));
        using var answer = await http.PutAsJsonAsync(
            "v1/budgets", new { workspace = Spent, period = "day", hard = true, limitTokens = tokens }, bench.CancellationToken).ConfigureAwait(false);
        answer.EnsureSuccessStatusCode();
    }

    private int Next() => Interlocked.Increment(ref _number);

    private string Text()
    {
        lock (_texts)
        {
            return IndexBench.Text(_texts, 800);
        }
    }

    private string Query()
    {
        lock (_texts)
        {
            return IndexBench.Text(_texts, 60) + " " + Next().ToString(CultureInfo.InvariantCulture);
        }
    }

    private void Tell(string half, (double[] Searches, double[] Edits) measured) => bench.Progress(string.Create(
        CultureInfo.InvariantCulture,
        $"{half}: searches p50 {Percentiles.Of(measured.Searches, 50):0} ms, p95 {Percentiles.Of(measured.Searches, 95):0} ms; searchable after p50 {Percentiles.Of(measured.Edits, 50):0} ms, p95 {Percentiles.Of(measured.Edits, 95):0} ms"));
}
