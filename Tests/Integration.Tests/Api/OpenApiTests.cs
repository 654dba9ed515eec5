using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>The description of the API. A change of it is a change of the contract: it has to be seen in docs/openapi.json.</summary>
public sealed class OpenApiTests(ApiFixture api) : IClassFixture<ApiFixture>
{
    private const string UpdateVariable = "RAG_UPDATE_OPENAPI";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, NewLine = "\n" };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task OpenApi_OfTheService_IsTheOneThatIsCheckedIn()
    {
        using var anybody = api.CreateClient(null);
        var served = JsonNode.Parse(await anybody.GetStringAsync("/openapi/v1.json", Cancellation))!.ToJsonString(s_indented) + "\n";
        var path = Path.Combine(FindRepository(), "docs", "openapi.json");
        if (Environment.GetEnvironmentVariable(UpdateVariable) is { Length: > 0 })
        {
            await File.WriteAllTextAsync(path, served, Cancellation);
        }

        var kept = File.Exists(path) ? await File.ReadAllTextAsync(path, Cancellation) : "";
        if (kept != served)
        {
            Assert.Fail(
                $"The API is not as docs/openapi.json says. If that is meant: {UpdateVariable}=1 ./test.sh Integration.Tests, and commit the file.\n"
                    + FirstDifference(kept, served));
        }
    }

    [Fact]
    public async Task OpenApi_EveryOperation_HasAnIdASummaryAndProblems()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", Cancellation));
        var operations = document.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => (Path: path.Name, Operation: method.Value)))
            .ToList();

        Assert.NotEmpty(operations);
        Assert.All(operations, o =>
        {
            Assert.NotEmpty(o.Operation.GetProperty("summary").GetString()!);
            Assert.True(o.Operation.GetProperty("responses").TryGetProperty("401", out _));
            Assert.True(o.Operation.GetProperty("responses").TryGetProperty("503", out _));

            // Every name in braces is a parameter, also where the handler takes it in another way.
            var parameters = o.Operation.TryGetProperty("parameters", out var list) ? list.EnumerateArray().ToList() : [];
            foreach (var segment in o.Path.Split('/').Where(s => s.StartsWith('{')))
            {
                Assert.Contains(parameters, p => p.GetProperty("name").GetString() == segment.Trim('{', '}') && p.GetProperty("in").GetString() == "path");
            }

            Assert.All(parameters, p => Assert.True(p.TryGetProperty("description", out _), $"{o.Path}: {p.GetProperty("name")} has no description"));
        });
        var ids = operations.Select(o => o.Operation.GetProperty("operationId").GetString()).ToList();
        Assert.Equal(ids.Distinct(), ids);
    }

    [Fact]
    public async Task OpenApi_ExamplesOfBodies_AreAccepted()
    {
        var workspace = await api.CreateWorkspaceAsync();
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", Cancellation));
        var tried = 0;
        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var method in path.Value.EnumerateObject().Where(m => m.Value.TryGetProperty("requestBody", out _)))
            {
                if (!method.Value.GetProperty("requestBody").GetProperty("content").GetProperty("application/json").TryGetProperty("example", out var example))
                {
                    continue;
                }

                using var request = new HttpRequestMessage(
                    HttpMethod.Parse(method.Name), path.Name.Replace("{workspace}", workspace, StringComparison.Ordinal).Replace("{id}", "a", StringComparison.Ordinal));
                request.Content = new StringContent(example.GetRawText(), System.Text.Encoding.UTF8, "application/json");
                using var response = await api.Http.SendAsync(request, Cancellation);
                Assert.True(
                    response.IsSuccessStatusCode, $"{method.Name} {path.Name}: {await response.Content.ReadAsStringAsync(Cancellation)}");
                tried++;
            }
        }

        Assert.True(tried >= 5);
    }

    [Fact]
    public async Task Docs_WithoutAKey_IsAPageThatNeedsNothingFromElsewhere()
    {
        using var anybody = api.CreateClient(null);
        using var response = await anybody.GetAsync("/", Cancellation);
        var page = await response.Content.ReadAsStringAsync(Cancellation);

        Assert.Equal((HttpStatusCode.OK, "text/html"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        Assert.Contains("default-src 'none'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Contains("openapi/v1.json", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(https?:)?//", page);
    }

    [Fact]
    public async Task Answers_WhereTheCallerAllows_AreCompressed()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/openapi/v1.json");
        request.Headers.AcceptEncoding.Add(new("br"));

        using var response = await api.Http.SendAsync(request, Cancellation);

        Assert.Equal("br", response.Content.Headers.ContentEncoding.Single());
    }

    private static string FindRepository([CallerFilePath] string file = "")
    {
        var folder = new FileInfo(file).Directory!;
        while (!File.Exists(Path.Combine(folder.FullName, "RagPlatform.sln")))
        {
            folder = folder.Parent!;
        }

        return folder.FullName;
    }

    private static string FirstDifference(string kept, string served)
    {
        var (old, now) = (kept.Split('\n'), served.Split('\n'));
        var line = Enumerable.Range(0, Math.Max(old.Length, now.Length)).First(i => i >= old.Length || i >= now.Length || old[i] != now[i]);
        return $"Line {line + 1}: '{old.ElementAtOrDefault(line)}' is now '{now.ElementAtOrDefault(line)}'.";
    }
}
