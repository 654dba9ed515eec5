using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Ask;
using RagPlatform.SearchApi.Documents;
using RagPlatform.SearchApi.Limits;
using RagPlatform.SearchApi.Operations;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Search;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.ServiceDefaults;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.ServiceDefaults.Http;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi;

/// <summary>Composes the service, for its own process and for the single-node host.</summary>
public static class SearchApiApp
{
    /// <summary>Builds the application; it is started by the caller.</summary>
    /// <param name="args">Command-line configuration.</param>
    /// <param name="configure">Runs first, so that a host can supply configuration and addresses.</param>
    /// <exception cref="InvalidOperationException">The embedding service's address is missing.</exception>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        configure?.Invoke(builder);
        builder.AddApiProblems();
        builder.AddServiceDefaults("search-api");
        // Planning takes a good part of a search. Not by default: a PgBouncer before 1.21 knows no prepared statements in transaction mode.
        var prepared = builder.Configuration.GetValue("Search:PreparedStatements", 0);
        builder.AddRagPostgres(configure: postgres => postgres.MaxAutoPrepare = prepared, nameSql: SqlNames.Find);
        builder.AddRagCache();
        builder.AddApiKeyAuthentication();
        builder.Services.AddStorage();
        builder.Services.AddValidation();
        builder.Services.ConfigureHttpJsonOptions(json => ConfigureJson(json.SerializerOptions));
        builder.AddLimits();
        builder.AddWorkspaces();
        builder.AddDocuments();
        builder.AddSearch();
        builder.AddAsk();
        builder.AddOperations();
        builder.AddReference();

        var app = builder.Build();
        app.UseResponseCompression();
        app.UseApiProblems();
        app.UseMiddleware<LocationBase>();
        app.UseRequestTimeouts();
        app.UseAuthentication();
        app.UseRateLimiter();
        app.UseAuthorization();
        app.UseKnownParameters();
        app.UseMiddleware<WorkspaceResolution>();
        app.MapDefaultEndpoints();
        app.MapReference();

        var workspaces = app.MapGroup("/v1/workspaces").WithTags("Workspaces").ProducesApiProblems();
        workspaces.MapWorkspaces();

        var workspace = workspaces.MapGroup("/{workspace}").InWorkspace();
        workspace.MapWorkspace();
        workspace.MapKeys();
        workspace.MapDocuments();
        workspace.MapExport();
        workspace.MapIndexing();
        workspace.MapSearch();
        workspace.MapAsk();
        workspace.MapIndexingControl();
        workspace.MapReindex();
        workspace.MapWeight();
        workspace.MapDeadLetters();
        workspace.MapChanges();

        var installation = app.MapGroup("/v1").RequireAuthorization(AuthExtensions.AdminPolicy).ProducesApiProblems();
        installation.MapReindexAll();
        installation.MapDoctor();
        installation.MapQueue();
        return app;
    }

    /// <summary>How the API reads and writes JSON: what it does not know, it refuses, because a misspelt member would else be lost silently.</summary>
    internal static void ConfigureJson(JsonSerializerOptions options)
    {
        RagJson.Configure(options);
        WireRules.Apply(options);
    }
}
