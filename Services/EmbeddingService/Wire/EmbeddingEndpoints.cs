using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>OpenAI's endpoints.</summary>
internal static class EmbeddingEndpoints
{
    /// <summary>In answers: how many texts came from each tier. In requests of an admin: <c>bypass</c> asks the provider in any case.</summary>
    public const string CacheHeader = "x-rag-cache";

    private static readonly string[] s_read = [HttpMethods.Get, HttpMethods.Head];

    // As base URLs are set: with /v1, without, and as at Azure.
    private static readonly string[] s_roots = ["/v1", "", "/openai/v1", "/openai"];

    public static void MapEmbeddings(this IEndpointRouteBuilder app)
    {
        var api = app.MapGroup("").RequireAuthorization(AuthExtensions.AnyKeyPolicy);
        foreach (var root in s_roots)
        {
            api.MapPost($"{root}/embeddings", context => EmbedAsync(context, model: null));
            api.MapMethods($"{root}/models", s_read, ListModels);
            api.MapMethods($"{root}/models/{{**id}}", s_read, FindModel);
        }

        api.MapPost("/openai/deployments/{deployment}/embeddings", context => EmbedAsync(context, (string)context.Request.RouteValues["deployment"]!));
        api.MapPost("/embed", EmbedBareAsync);
    }

    private static async Task EmbedAsync(HttpContext context, string? model)
    {
        var request = await EmbeddingRequestReader.ReadAsync(context.Request.BodyReader, model, context.RequestAborted);
        var (name, result) = await EmbedAsync(context, model is null ? request : request with { Model = model });
        if (request.Base64)
        {
            EmbeddingResponseWriter.WriteBase64(
                context.Response.BodyWriter, name, result.Vectors, result.Tokens, length => context.Response.ContentLength = length);
        }
        else
        {
            EmbeddingResponseWriter.Write(context.Response.BodyWriter, name, result.Vectors, result.Tokens);
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    // The protocol of text-embeddings-inference: vectors and nothing else. One server has one model there: the default one.
    private static async Task EmbedBareAsync(HttpContext context)
    {
        var request = await EmbeddingRequestReader.ReadAsync(context.Request.BodyReader, ModelAliases.Default, context.RequestAborted);
        var (_, result) = await EmbedAsync(context, request);
        EmbeddingResponseWriter.WriteBare(context.Response.BodyWriter, result.Vectors);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static async Task<(string Model, EmbeddingResult Result)> EmbedAsync(HttpContext context, EmbeddingRequest request)
    {
        var services = context.RequestServices;
        var workspace = WorkspaceOf(context);
        var registry = services.GetRequiredService<ModelRegistry>();
        var model = services.GetRequiredService<ModelAliases>().Resolve(request.Model, workspace, registry.DefaultModel);
        var target = registry.Resolve(model, request.Dimensions);
        CheckSpace(context.Request, request, target);
        var (texts, truncated) = InputLimits.Apply(request, target.Model.Definition);
        request = request with { Texts = texts };

        var call = CreateCall(context, request, target, workspace);
        var result = await services.GetRequiredService<EmbeddingGateway>().EmbedAsync(call, context.RequestAborted);

        context.Response.ContentType = "application/json";
        context.Response.Headers[EmbeddingHeaders.Space] = target.Id;
        context.Response.Headers[CacheHeader] = Describe(result.Tiers);
        if (truncated > 0)
        {
            context.Response.Headers[EmbeddingHeaders.Truncated] = truncated.ToString(CultureInfo.InvariantCulture);
        }

        return (model, result);
    }

    private static Ok<EmbeddingModelList> ListModels(ModelRegistry registry) => TypedResults.Ok(
        new EmbeddingModelList([.. registry.Models.Select(model => model.Describe(model.Definition.Name == registry.DefaultModel))]));

    private static Ok<EmbeddingModel> FindModel(string id, ModelRegistry registry)
    {
        // Official SDKs escape the slash in "sentence-transformers/all-MiniLM-L6-v2", which routing leaves as it is.
        id = id.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        var model = registry.Find(id) ?? throw GatewayException.UnknownModel(id);
        return TypedResults.Ok(model.Describe(id == registry.DefaultModel));
    }

    private static void CheckSpace(HttpRequest http, EmbeddingRequest request, ModelSpace target)
    {
        if (http.Headers.TryGetValue(EmbeddingHeaders.Space, out var demanded) && demanded.Count > 0 && demanded[0] != target.Id)
        {
            throw GatewayException.OtherSpace(request.Model, target.Id, demanded[0]!);
        }
    }

    private static EmbeddingCall CreateCall(HttpContext context, EmbeddingRequest request, ModelSpace target, string workspace)
    {
        var headers = context.Request.Headers;
        var input = Choice(headers, EmbeddingHeaders.Input, "document", "query") ? EmbeddingInput.Query : EmbeddingInput.Document;
        var interactive = headers.ContainsKey(EmbeddingHeaders.Priority)
            ? Choice(headers, EmbeddingHeaders.Priority, "bulk", "interactive")
            : input == EmbeddingInput.Query || request.Texts.Count == 1;
        var bypass = headers.TryGetValue(CacheHeader, out var cache) && cache.ToString() == "bypass" && context.User.IsAdmin();
        return new EmbeddingCall(target, request.Texts, input, interactive, workspace, context.User.IsAdmin() ? "" : context.User.FindKeyId() ?? "", bypass);
    }

    // A key's own workspace; the one that an admin names.
    private static string WorkspaceOf(HttpContext context)
    {
        var own = context.User.FindWorkspace();
        var named = context.Request.Headers.TryGetValue(EmbeddingHeaders.Workspace, out var header) ? header.ToString() : "";
        if (named.Length > 63)
        {
            throw GatewayException.Invalid($"The header {EmbeddingHeaders.Workspace} is no workspace's name.", EmbeddingHeaders.Workspace);
        }

        return own is null || named.Length == 0 || named == own
            ? own ?? named
            : throw new GatewayException(
                StatusCodes.Status403Forbidden, "invalid_request_error", "forbidden", "The key is another workspace's.", EmbeddingHeaders.Workspace);
    }

    private static string Describe(in TierCounts tiers) => string.Create(
        CultureInfo.InvariantCulture,
        $"l1={tiers.Texts(Tier.L1)}, l2={tiers.Texts(Tier.L2)}, l3={tiers.Texts(Tier.L3)}, joined={tiers.Texts(Tier.Joined)}, source={tiers.Texts(Tier.Source)}");

    // Whether the header has the second of its two values; the first one when it is absent.
    private static bool Choice(IHeaderDictionary headers, string name, string first, string second)
    {
        if (!headers.TryGetValue(name, out var value) || value.Count == 0)
        {
            return false;
        }

        return string.Equals(value[0], second, StringComparison.OrdinalIgnoreCase)
            || (!string.Equals(value[0], first, StringComparison.OrdinalIgnoreCase)
                ? throw GatewayException.Invalid($"The header {name} must be '{first}' or '{second}'.", name)
                : false);
    }
}
