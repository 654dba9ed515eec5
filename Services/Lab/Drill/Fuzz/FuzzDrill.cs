using System.Collections.Concurrent;
using System.CommandLine;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;

namespace RagPlatform.Lab.Drill.Fuzz;

/// <summary>
/// <c>rag drill fuzz</c>: requests that nobody means, with a valid key, to every endpoint of a node. First each odd value in the place of each member and
/// parameter, then random changes. Whatever it is, the answer is one that the endpoint declares.
/// </summary>
internal sealed partial class FuzzDrill(BenchContext bench, SingleNodeApp node) : IDisposable
{
    private const int AtOnce = 4;
    private const int MaxReported = 40;
    private const string Workspace = "fuzz";
    private const string Other = "other";

    // Longer than any request may take by the settings below.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_streamPatience = TimeSpan.FromMilliseconds(200);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
    })
    {
        Timeout = s_patience,
    };

    private readonly ConcurrentDictionary<string, int> _failures = new(StringComparer.Ordinal);
    private string _session = "";
    private int _sent;
    private int _accepted;
    private int _undeclared;
    private int _namesOfTypes;
    private int _unanswered;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var requests = new Option<int>("--requests") { Description = "Requests in all.", HelpName = "N", DefaultValueFactory = _ => 20_000 };
        return BenchCommand.Create(
            context,
            "fuzz",
            "Odd and random requests with a valid key to every endpoint of a node: no answer is an error that is not declared.",
            [requests],
            async bench =>
            {
                var settings = new Dictionary<string, string?> { ["Api:RequestTimeout"] = "00:00:10", ["Dashboard:WrongKeyDelay"] = "00:00:00" };
                var node = await bench.StartNodeAsync(new SingleNodeOptions { LogLevel = LogLevel.Critical, Durable = false, Settings = settings })
                    .ConfigureAwait(false);
                using var drill = new FuzzDrill(bench, node.App);
                await drill.RunAsync(bench.Run.Parse.GetValue(requests)).ConfigureAwait(false);
            });
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private async Task RunAsync(int requests)
    {
        await PrepareAsync().ConfigureAwait(false);
        var operations = await FuzzCatalogue.ReadAsync(node, _http, bench.CancellationToken).ConfigureAwait(false);
        var oneByOne = operations.SelectMany(o => FuzzRequest.OneByOne(o, Workspace).Select(request => (o, request)));
        var random = Enumerable.Range(0, int.MaxValue).Select(_ => operations[bench.Random.Next(operations.Count)])
            .Select(o => (o, FuzzRequest.Mutate(o, Workspace, bench.Random)));
        bench.Run.Progress(FormattableString.Invariant($"{operations.Count} operations, {oneByOne.Count()} requests with one odd value each, then random ones"));

        // In their order as far as four at once have one: the same seed sends the same.
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = bench.CancellationToken };
        await Parallel.ForEachAsync(
            oneByOne.Concat(random).Take(requests), options, async (pair, token) => await SendAsync(pair.o, pair.Item2, token).ConfigureAwait(false)).ConfigureAwait(false);

        bench.Figures.Add("fuzz.requests", _sent, "", Figure.AtLeast(requests));
        bench.Figures.Add("fuzz.operations", operations.Count);
        bench.Figures.Add("fuzz.accepted", _accepted);
        bench.Figures.Add("fuzz.undeclared_5xx", _undeclared, "", "==0");
        bench.Figures.Add("fuzz.unanswered", _unanswered, "", "==0");
        bench.Figures.Add("fuzz.names_of_types", _namesOfTypes, "", "==0");
        bench.Figures.Add("fuzz.lost", await CountLostAsync().ConfigureAwait(false), "", "==0");
    }

    // The other workspace is never spelt right, so nothing may reach it.
    private async Task PrepareAsync()
    {
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", node.AdminKey);
        var rag = RagClient.Create(node.ApiAddress, node.AdminKey);
        foreach (var workspace in new[] { Workspace, Other, "bystander" })
        {
            await rag.CreateWorkspaceAsync(new(workspace), bench.CancellationToken).ConfigureAwait(false);
            await rag.PutDocumentAsync(workspace, "a", new("A text to be found.", "A title"), null, bench.CancellationToken).ConfigureAwait(false);
        }

        using var login = await _http.GetAsync(new Uri(node.DashboardAddress, "login"), bench.CancellationToken).ConfigureAwait(false);
        var token = FormToken().Match(await login.Content.ReadAsStringAsync(bench.CancellationToken).ConfigureAwait(false)).Groups[1].Value;
        using var form = new HttpRequestMessage(HttpMethod.Post, new Uri(node.DashboardAddress, "login/submit"))
        {
            Content = new FormUrlEncodedContent([new("__RequestVerificationToken", token), new("key", node.AdminKey)]),
        };
        form.Headers.Add("Cookie", CookiesOf(login));
        using var entered = await _http.SendAsync(form, bench.CancellationToken).ConfigureAwait(false);
        _session = $"{CookiesOf(login)}; {CookiesOf(entered)}";
        if (!_session.Contains("rag-dashboard=", StringComparison.Ordinal))
        {
            throw new UnsoundRunException("the dashboard did not let the drill in");
        }
    }

    private async Task SendAsync(FuzzOperation operation, FuzzRequest request, CancellationToken cancellationToken)
    {
        var number = Interlocked.Increment(ref _sent);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(operation.Streams ? s_streamPatience : s_patience);
            using var message = request.ToMessage();
            if (operation.Service == "dashboard")
            {
                message.Headers.TryAddWithoutValidation("Cookie", _session);
            }

            using var response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
            var status = (int)response.StatusCode;
            if (status < 300)
            {
                Interlocked.Increment(ref _accepted);
            }

            if (status >= 500 && !operation.Declared.Contains(status))
            {
                Interlocked.Increment(ref _undeclared);
                Report(number, $"{operation} → {status}", request);
            }

            if (status >= 400 && operation.Service != "dashboard"
                && TypeName().IsMatch(await response.Content.ReadAsStringAsync(patience.Token).ConfigureAwait(false)))
            {
                Interlocked.Increment(ref _namesOfTypes);
                Report(number, $"{operation} → {status} names a type", request);
            }
        }
        catch (OperationCanceledException) when (operation.Streams && !cancellationToken.IsCancellationRequested)
        {
            // It answers as long as one listens.
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException && !cancellationToken.IsCancellationRequested)
        {
            Interlocked.Increment(ref _unanswered);
            Report(number, $"{operation} → {e.GetType().Name}: {e.Message}", request);
        }
        catch (Exception e) when (e is FormatException or ArgumentException or UriFormatException or InvalidOperationException)
        {
            // No client can send it.
        }
    }

    private void Report(int number, string failure, FuzzRequest request)
    {
        if (_failures.AddOrUpdate(failure, 1, (_, count) => count + 1) == 1 && _failures.Count <= MaxReported)
        {
            bench.Run.Progress(FormattableString.Invariant($"request {number}: {failure}: {request}"));
        }
    }

    private async Task<int> CountLostAsync()
    {
        var rag = RagClient.Create(node.ApiAddress, node.AdminKey);
        var lost = 0;
        foreach (var workspace in new[] { Workspace, Other, "bystander" })
        {
            lost += await rag.FindWorkspaceAsync(workspace, bench.CancellationToken).ConfigureAwait(false) is null ? 1 : 0;
        }

        return lost + (await rag.FindDocumentAsync("bystander", "a", bench.CancellationToken).ConfigureAwait(false) is null ? 1 : 0);
    }

    private static string CookiesOf(HttpResponseMessage response) =>
        string.Join("; ", response.Headers.TryGetValues("Set-Cookie", out var cookies) ? cookies.Select(c => c.Split(';')[0]) : []);

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex FormToken();

    [GeneratedRegex(@"\bSystem\.[A-Z]|RagPlatform\.[A-Z]|Npgsql\.|Nullable<|   at ")]
    private static partial Regex TypeName();
}
