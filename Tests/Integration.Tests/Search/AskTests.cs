using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Cli;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>The whole platform in this process, with a chat endpoint beside it.</summary>
public sealed class AskNode(Backends backends) : IAsyncLifetime
{
    public const string Workspace = "questions";

    private SingleNodeApp? _app;
    private HttpClient? _http;

    internal ScriptedChatServer Chat { get; private set; } = null!;

    public RagClient Client { get; private set; } = null!;

    public HttpClient Http => _http!;

    public async ValueTask InitializeAsync()
    {
        if (!backends.AreThere)
        {
            throw backends.Missing();
        }

        var cancelled = TestContext.Current.CancellationToken;
        Chat = await ScriptedChatServer.StartAsync(cancelled);
        _app = await SingleNodeApp.StartAsync(
            new()
            {
                Postgres = await backends.CreateDatabaseAsync(),
                UseValkey = false,
                Settings = new Dictionary<string, string?>
                {
                    ["Ask:BaseUrl"] = Chat.Address.ToString(),
                    ["Ask:Model"] = "scripted-chat",
                    ["Ask:ApiKey"] = "chat-key",
                    ["Ask:Timeout"] = "00:00:03",

                    // Less than an answer may take: it must not cut one off.
                    ["Api:RequestTimeout"] = "00:00:01",
                },
            },
            cancelled);
        _http = new() { BaseAddress = _app.ApiAddress };
        _http.DefaultRequestHeaders.Authorization = new("Bearer", _app.AdminKey);
        Client = new(_http);
        await Client.CreateWorkspaceAsync(new(Workspace), cancelled);
        await Client.PutDocumentAsync(Workspace, "stall", new("Beyond the critical angle a wing stalls.", "Stalls"), TimeSpan.FromSeconds(50), cancelled);
        await Client.PutDocumentAsync(Workspace, "flap", new("A slotted flap lets a wing stall later.", "Flaps"), TimeSpan.FromSeconds(50), cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        _http?.Dispose();
        await (_app?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (Chat?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}

public sealed class AskTests(AskNode node) : IClassFixture<AskNode>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ask_OfAChatModel_StreamsItsAnswerWithCitations()
    {
        node.Chat.Asked.Clear();

        var events = await AskAsync("When does a wing stall?");

        Assert.Equal(["sources", "text", "text", "text", "done"], events.Select(e => e.EventType));
        var sources = events[0].Data.Sources!;
        Assert.Equal(["flap", "stall"], sources.Select(s => s.DocumentId).Order());
        Assert.Equal("A wing stalls [1] and [2], not [99] or [1].", string.Concat(events.Skip(1).SkipLast(1).Select(e => e.Data.Text)));
        Assert.Equal([1, 2], events[^1].Data.Citations);
        var (model, system, user, key) = Assert.Single(node.Chat.Asked);
        Assert.Equal(("scripted-chat", "Bearer chat-key"), (model, key));
        Assert.Contains("numbered passages only", system, StringComparison.Ordinal);
        Assert.Contains($"[1] {sources[0].Title}\n{sources[0].Text}\n\n[2] {sources[1].Title}", user, StringComparison.Ordinal);
        Assert.EndsWith("Question: When does a wing stall?", user, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("break", "broke off")]
    [InlineData("stop short", "broke off: out of memory")]
    [InlineData("hang", "did not answer in time")]
    public async Task Ask_OfAnEndpointThatFailsMidway_SaysSoBehindWhatItSaid(string what, string expected)
    {
        var events = await AskAsync($"Why does a wing {what}?");

        Assert.Equal("sources", events[0].EventType);
        // What was on its way when a connection breaks may be lost.
        Assert.StartsWith(string.Concat(events.Where(e => e.EventType == "text").Select(e => e.Data.Text)), "A wing stalls [1]", StringComparison.Ordinal);
        Assert.Equal("error", events[^1].EventType);
        Assert.Contains(expected, events[^1].Data.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(events, e => e.EventType == "done");
    }

    [Fact]
    public async Task Ask_OfAnEndpointThatRefuses_SaysWhatItAnswered()
    {
        var events = await AskAsync("Would you refuse a wing?");

        Assert.Equal(["sources", "error"], events.Select(e => e.EventType));
        Assert.Equal("The chat endpoint answered 401: The key … is unknown.", events[1].Data.Text);
    }

    [Theory]
    [InlineData("When does a wing stall?", "stop", false)]
    [InlineData("When is a wing cut?", "length", true)]
    [InlineData("Does a filter stall?", "content_filter", true)]
    public async Task Ask_OfAnAnswerThatIsCut_SaysSoAtItsEnd(string question, string reason, bool isCut)
    {
        var done = (await AskAsync(question))[^1];

        Assert.Equal(("done", reason), (done.EventType, done.Data.FinishReason));
        Assert.Equal(isCut, done.Data.Text?.StartsWith("The answer is cut", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public async Task Ask_WhoseCallerLeaves_LeavesTheChatEndpoint()
    {
        node.Chat.Reset();
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var item in node.Client.AskAsync(AskNode.Workspace, new("Does a wing hang?"), leaving.Token))
            {
                if (item.EventType == "text")
                {
                    await leaving.CancelAsync();
                }
            }
        });

        await node.Chat.Left.Task.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task Ask_OfNothing_IsRefused()
    {
        using var response = await node.Http.PostAsJsonAsync(
            $"v1/workspaces/{AskNode.Workspace}/ask", new { question = "", filter = new { year = new Dictionary<string, int> { ["$wrong"] = 1 } } }, Cancelled);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task Ask_ByAnAgent_GivesTheAnswerWithWhatItCites()
    {
        await using var client = await McpProcess.ConnectAsync(node.Http, AskNode.Workspace);

        var (isError, text) = await McpProcess.CallAsync(client, "ask", new { question = "When does a wing stall?" });
        var broken = await McpProcess.CallAsync(client, "ask", new { question = "Why does a wing stop short?" });

        Assert.False(isError);
        Assert.StartsWith("A wing stalls [1] and [2], not [99] or [1].\n[1] ", text, StringComparison.Ordinal);
        Assert.Contains("stall: Stalls", text, StringComparison.Ordinal);
        Assert.True(broken.IsError);
        Assert.EndsWith("The chat endpoint broke off: out of memory", broken.Text, StringComparison.Ordinal);
    }

    private async Task<List<SseItem<AskEvent>>> AskAsync(string question)
    {
        var events = new List<SseItem<AskEvent>>();
        await foreach (var item in node.Client.AskAsync(AskNode.Workspace, new(question), Cancelled))
        {
            events.Add(item);
        }

        return events;
    }
}
