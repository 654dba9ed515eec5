using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.EmbeddingService;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>The gateway as a process of its own, killed by SIGKILL while its calls hold reservations.</summary>
public sealed class KilledGatewayTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const int Allowed = 100;
    private const int Settled = 30;
    private const string Workspace = "killed";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kill_InTheMiddleOfABudgetRun_ReservationsReturnAndTheRestIsExact()
    {
        await using var provider = await ScriptedEmbeddingServer.StartAsync(cancellationToken: Token);
        await using var survivor = await Replica.StartAsync(
            provider, database.ConnectionString, null, "", ("Embedding:Cache:Durable", "false"), ("Embedding:Budgets:MaxWait", "00:00:30"));
        using var put = await survivor.Http.PutAsJsonAsync("/v1/budgets", new { workspace = Workspace, period = "day", hard = true, limitTokens = Allowed }, Token);
        Assert.True(put.IsSuccessStatusCode);
        await survivor.Get<BudgetGate>().RefreshAsync(Token);
        await using var process = await StartAsync(provider);
        var pending = Array.Empty<Task>();
        try
        {
            using var http = new HttpClient { BaseAddress = process.Address };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Replica.AdminKey);
            for (var i = 0; i < Settled; i++)
            {
                using var settled = await PostAsync(http, i);
                Assert.True(settled.IsSuccessStatusCode);
            }

            await WaitForAsync(async () => await ReadAsync(survivor) == (Settled, 0));
            provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMinutes(1));
            pending = [.. Enumerable.Range(Settled, Allowed).Select(i => PostAsync(http, i))];
            await WaitForAsync(async () => await ReadAsync(survivor) == (Settled, Allowed - Settled));
            process.Kill();
            await Task.WhenAll(pending).ContinueWith(static _ => { }, TaskScheduler.Default);
        }
        finally
        {
            process.Kill();
        }

        provider.Script = static _ => new ScriptedAnswer();
        var answers = await Task.WhenAll(Enumerable.Range(200, Allowed).Select(i => survivor.EmbedAsync([TextOf(i)], ("x-rag-workspace", Workspace))));

        Assert.Equal(Allowed - Settled, answers.Count(answer => answer.Status == 200));
        await WaitForAsync(async () => await ReadAsync(survivor) == (Allowed, 0));
    }

    // Two letters: both the estimate and the provider say one token.
    private static string TextOf(int number) => $"{(char)('a' + (number / 26))}{(char)('a' + (number % 26))}";

    private static async Task<HttpResponseMessage> PostAsync(HttpClient http, int number)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/embeddings")
        {
            Content = JsonContent.Create(new { model = Replica.Model, input = TextOf(number), dimensions = Replica.Dimensions }),
        };
        request.Headers.Add("x-rag-workspace", Workspace);
        return await http.SendAsync(request, Token);
    }

    private static async Task<(long Spent, long Reserved)> ReadAsync(Replica replica)
    {
        var budget = (await replica.Http.GetFromJsonAsync<JsonElement>($"/v1/budgets?workspace={Workspace}", Token)).EnumerateArray().Single();
        return (budget.GetProperty("spentTokens").GetInt64(), budget.GetProperty("reservedTokens").GetInt64());
    }

    private static async Task WaitForAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 400 && !await condition(); i++)
        {
            await Task.Delay(50, Token);
        }

        Assert.True(await condition());
    }

    private async Task<GatewayProcess> StartAsync(ScriptedEmbeddingServer provider)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (var argument in (string[])
            [
                typeof(EmbeddingServiceApp).Assembly.Location, "--urls", "http://127.0.0.1:0", "--ConnectionStrings:ragdb", database.ConnectionString,
                "--Auth:AdminKey", Replica.AdminKey, "--OPENAI_BASE_URL", provider.Address.ToString(), "--OPENAI_API_KEY", "provider-key",
                "--EMBEDDINGS_PROVIDER", "hashing", "--Embedding:Budgets:Lease", "00:00:02", "--Embedding:Cache:Durable", "false",
                "--Embedding:Canary:Enabled", "false", "--Embedding:Providers:openai:RequestsPerMinute", "0",
                "--Embedding:Providers:openai:MaxInFlight", "200", "--Logging:LogLevel:Default", "Warning",
                "--Logging:LogLevel:Microsoft.Hosting.Lifetime", "Information",
            ])
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        while (await process.StandardOutput.ReadLineAsync(Token) is { } line)
        {
            var place = line.IndexOf("http://127.0.0.1:", StringComparison.Ordinal);
            if (place >= 0)
            {
                var end = line.AsSpan(place + 17).IndexOfAnyExceptInRange('0', '9');
                return new GatewayProcess(process, new Uri(end < 0 ? line[place..] : line.Substring(place, 17 + end)));
            }
        }

        throw new InvalidOperationException("The gateway did not start.");
    }

    private sealed class GatewayProcess : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly Task<string> _output;

        public GatewayProcess(Process process, Uri address)
        {
            (_process, Address) = (process, address);

            // A full pipe would stop it.
            _output = process.StandardOutput.ReadToEndAsync(Token);
        }

        public Uri Address { get; }

        // SIGKILL.
        public void Kill() => _process.Kill();

        public async ValueTask DisposeAsync()
        {
            await _output;
            _process.Dispose();
        }
    }
}
