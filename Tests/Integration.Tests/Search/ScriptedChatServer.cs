using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>A chat endpoint that speaks OpenAI's protocol and does what the question says: <c>hang</c>, <c>break</c>, <c>refuse</c>, <c>stop short</c>, <c>cut</c>, <c>filter</c>.</summary>
internal sealed class ScriptedChatServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScriptedChatServer(WebApplication app) => _app = app;

    /// <summary>Its address, with the version.</summary>
    public Uri Address => new(_app.Urls.First() + "/v1");

    /// <summary>What was asked: model, messages and key.</summary>
    public ConcurrentQueue<(string Model, string System, string User, string Key)> Asked { get; } = [];

    /// <summary>Completes when a caller has left while the endpoint was hanging.</summary>
    public TaskCompletionSource Left { get; private set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static async Task<ScriptedChatServer> StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var server = new ScriptedChatServer(app);
        app.MapPost("/v1/chat/completions", server.AnswerAsync);
        await app.StartAsync(cancellationToken);
        return server;
    }

    public void Reset() => Left = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using var request = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        var messages = request.RootElement.GetProperty("messages").EnumerateArray().Select(TextOf).ToArray();
        var question = messages[1][messages[1].LastIndexOf("Question:", StringComparison.Ordinal)..];
        Asked.Enqueue((request.RootElement.GetProperty("model").GetString()!, messages[0], messages[1], context.Request.Headers.Authorization.ToString()));
        if (question.Contains("refuse", StringComparison.Ordinal))
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            await context.Response.WriteAsync("""{"error":{"message":"The key chat-key is\nunknown.","type":"invalid_request_error"}}""", context.RequestAborted);
            return;
        }

        context.Response.ContentType = "text/event-stream";
        await SendAsync(context, """{"role":"assistant","content":"A wing "}""");
        await SendAsync(context, """{"content":"stalls [1]"}""");
        if (question.Contains("hang", StringComparison.Ordinal))
        {
            try
            {
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            }
            catch (OperationCanceledException)
            {
                Left.TrySetResult();
            }

            return;
        }

        if (question.Contains("break", StringComparison.Ordinal))
        {
            context.Abort();
            return;
        }

        if (question.Contains("stop short", StringComparison.Ordinal))
        {
            await context.Response.WriteAsync("data: {\"error\":{\"message\":\"out of memory\"}}\n\n", context.RequestAborted);
            return;
        }

        await SendAsync(context, """{"content":" and [2], not [99] or [1]."}""");
        await SendAsync(context, "{}", question.Contains("cut", StringComparison.Ordinal) ? "\"length\""
            : question.Contains("filter", StringComparison.Ordinal) ? "\"content_filter\""
            : "\"stop\"");
        await context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);
    }

    private static string TextOf(JsonElement message)
    {
        var content = message.GetProperty("content");
        return content.ValueKind == JsonValueKind.String ? content.GetString()! : content[0].GetProperty("text").GetString()!;
    }

    private static async Task SendAsync(HttpContext context, string delta, string finish = "null")
    {
        await context.Response.WriteAsync(
            "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" + delta
            + ",\"finish_reason\":" + finish + "}]}\n\n",
            context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
