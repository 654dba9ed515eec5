using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Operations;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Wire;
using RagPlatform.ServiceDefaults;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.ServiceDefaults.Http;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService;

/// <summary>Composes the service, for its own process and for the single-node host.</summary>
public static class EmbeddingServiceApp
{
    /// <summary>Builds the application; it is started by the caller.</summary>
    /// <param name="args">Command-line configuration.</param>
    /// <param name="configure">Runs first, so that a host can supply configuration and addresses.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        configure?.Invoke(builder);
        builder.AddServiceDefaults("embedding-service");
        builder.AddRagCache();

        // Without a database it is a gateway with caches in memory and Valkey: no durable cache, no budgets, no workspace keys.
        if (builder.Configuration.GetConnectionString("ragdb") is { Length: > 0 })
        {
            builder.AddRagPostgres(nameSql: SqlNames.Find);
            builder.Services.AddStorage();
            builder.Services.AddSingleton<IApiKeyStore, WorkspaceKeys>();
        }

        builder.AddApiKeyAuthentication(scheme => scheme.WriteRefusal = (context, problem) =>
        {
            var (type, code) = ErrorWriter.Describe(context.Response.StatusCode);
            return ErrorWriter.WriteAsync(context, context.Response.StatusCode, $"{problem.Title} {problem.Detail}".Trim(), type, code: code);
        });
        builder.Services.ConfigureHttpJsonOptions(json => WireRules.Apply(json.SerializerOptions));
        builder.Services.Configure<RefusalOptions>(refusal => refusal.Write = ErrorWriter.WriteAsync);
        builder.AddEmbedding();
        builder.Services.AddCors();

        var app = builder.Build();
        app.UseMiddleware<ErrorMiddleware>();

        // Of a base URL that ends with a slash, before the route is chosen.
        app.Use((context, next) =>
        {
            // Not by a string alone, which would be decoded once more: "%2500" is no NUL, and "%252e" no dot.
            context.Request.Path = new PathString(context.Request.Path.Value?.Replace("//", "/", StringComparison.Ordinal));
            return next(context);
        });
        app.UseRouting();
        if (app.Services.GetRequiredService<IOptions<EmbeddingOptions>>().Value.AllowedOrigins is { Count: > 0 } origins)
        {
            app.UseCors(policy => policy.WithOrigins([.. origins]).AllowAnyHeader().AllowAnyMethod().WithExposedHeaders(EmbeddingHeaders.Space, EmbeddingHeaders.Truncated));
        }

        app.UseAuthentication();
        app.UseAuthorization();
        app.UseKnownParameters();
        app.MapDefaultEndpoints();
        app.MapEmbeddings();
        app.MapOperations();
        return app;
    }
}
