using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Wire;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Http;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Operations;

/// <summary>What an operator can look at and change: cache, usage, budgets, models, aliases. All of it needs the admin key.</summary>
internal static class OperationsEndpoints
{
    private static readonly JsonSerializerOptions s_settings = WireRules.Apply(new(RegistryUpdater.Json));

    public static void MapOperations(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/v1").RequireAuthorization(AuthExtensions.AdminPolicy);
        admin.MapGet("/cache", (CacheOperations cache, CancellationToken token) => cache.ReportAsync(token));
        admin.MapPost("/cache/invalidate", (CacheInvalidate request, CacheOperations cache, CancellationToken token) => cache.InvalidateAsync(Valid(request), token));
        admin.MapPost("/cache/warm", (CacheWarm request, CacheOperations cache, CancellationToken token) => cache.WarmAsync(Valid(request), token));

        admin.MapGet("/usage", GetUsageAsync);
        admin.MapGet("/budgets", ListBudgetsAsync);
        admin.MapPut("/budgets", SetBudgetAsync);
        admin.MapDelete("/budgets/{id:long}", DeleteBudgetAsync);

        admin.MapPut("/registry/models/{**name}", PutModelAsync);
        admin.MapDelete("/registry/models/{**name}", DeleteModelAsync);
        admin.MapGet("/registry/aliases", (ModelAliases aliases) => TypedResults.Ok(aliases.All));
        admin.MapPut("/registry/aliases/{alias}", PutAliasAsync);
        admin.MapDelete("/registry/aliases/{alias}", DeleteAliasAsync);
        admin.MapDelete("/registry/canaries/{space}", DeleteCanaryAsync);
    }

    private static async Task<Ok<UsageReport>> GetUsageAsync(
        IServiceProvider services, TimeProvider time, UsageRecorder recorder, string? workspace, DateOnly? from, DateOnly? to, CancellationToken cancellationToken)
    {
        var store = Need<EmbeddingUsageStore>(services);
        await recorder.FlushAsync(cancellationToken);
        var now = time.GetUtcNow();
        var today = DateOnly.FromDateTime(now.UtcDateTime);
        var rows = await store.ListAsync(workspace, from ?? today.AddDays(-30), to ?? today, cancellationToken);

        // For the forecast this month and the week before today, whatever was asked for.
        var first = new DateOnly(today.Year, today.Month, 1);
        var week = today.AddDays(-6);
        var recent = await store.ListAsync(workspace, first < week ? first : week, today, cancellationToken);
        var (toDate, atEnd) = Forecast.OfMonth(
            recent.Where(row => row.Tier == "source").GroupBy(row => row.Day).Select(day => (day.Key, day.Sum(row => row.MicroDollars))), now);
        return TypedResults.Ok(new UsageReport(
            [.. rows.Select(row => new UsageEntry(
                row.Workspace, row.Day, row.KeyId, row.Model, row.Tier, row.Requests, row.Texts, row.Tokens, row.MicroDollars))],
            rows.Where(row => row.Tier == "source").Sum(row => row.MicroDollars),
            rows.Where(row => row.Tier != "source").Sum(row => row.MicroDollars),
            toDate,
            atEnd));
    }

    private static async Task<Ok<List<BudgetReport>>> ListBudgetsAsync(
        IServiceProvider services, TimeProvider time, string? workspace, CancellationToken cancellationToken)
    {
        var rows = await Need<EmbeddingBudgetStore>(services).ListAsync(workspace, cancellationToken);
        var now = time.GetUtcNow();
        return TypedResults.Ok(rows.Select(row => new BudgetReport(
            row.BudgetId, row.Workspace, row.KeyId, row.Period, row.Hard, row.LimitMicro, row.LimitTokens, row.SpentMicro, row.SpentTokens,
            row.ReservedMicro, row.ReservedTokens, BudgetGate.ResetOf(row.Period, now))).ToList());
    }

    private static async Task<Ok<object>> SetBudgetAsync(BudgetSet budget, IServiceProvider services, BudgetGate gate, CancellationToken cancellationToken)
    {
        Valid(budget);
        if (budget is { LimitMicroDollars: null, LimitTokens: null })
        {
            throw GatewayException.Invalid("A budget needs limitMicroDollars, limitTokens, or both.", "limitMicroDollars");
        }

        var id = await Need<EmbeddingBudgetStore>(services).SetAsync(
            new(0, budget.Workspace, budget.KeyId ?? "", budget.Period, budget.Hard, budget.LimitMicroDollars, budget.LimitTokens), cancellationToken);
        await gate.RefreshAsync(cancellationToken);
        return TypedResults.Ok<object>(new { id });
    }

    private static async Task<Results<NoContent, NotFound>> DeleteBudgetAsync(
        long id, IServiceProvider services, BudgetGate gate, CancellationToken cancellationToken)
    {
        var deleted = await Need<EmbeddingBudgetStore>(services).DeleteAsync(id, cancellationToken);
        await gate.RefreshAsync(cancellationToken);
        return deleted ? TypedResults.NoContent() : TypedResults.NotFound();
    }

    private static async Task<NoContent> PutModelAsync(
        string name, JsonElement settings, IServiceProvider services, RegistryUpdater updater, CancellationToken cancellationToken)
    {
        ModelOptions model;
        try
        {
            model = settings.Deserialize<ModelOptions>(s_settings) ?? throw GatewayException.Invalid("Expected a model's settings, as an object.", null);
        }
        catch (JsonException e)
        {
            var (field, message) = UnreadableRequest.Describe(e, typeof(ModelOptions));
            throw GatewayException.Invalid($"The settings are not those of a model: {field}: {message}", field);
        }

        catch (InvalidOperationException e)
        {
            // A list that is filled in place cannot be null, and is the only such member.
            throw new GatewayException(
                StatusCodes.Status400BadRequest, "invalid_request_error", null, "providers: null is not allowed here.", "providers", e);
        }

        model.Name = name;
        if (updater.Check(model) is { } reason)
        {
            throw GatewayException.Invalid(reason, null);
        }

        await Need<EmbeddingModelStore>(services).PutModelAsync(name, JsonSerializer.Serialize(model, RegistryUpdater.Json), cancellationToken);
        await updater.RefreshAsync(cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Results<NoContent, NotFound>> DeleteModelAsync(
        string name, IServiceProvider services, RegistryUpdater updater, CancellationToken cancellationToken)
    {
        var deleted = await Need<EmbeddingModelStore>(services).DeleteModelAsync(name, cancellationToken);
        await updater.RefreshAsync(cancellationToken);
        return deleted ? TypedResults.NoContent() : TypedResults.NotFound();
    }

    private static async Task<NoContent> PutAliasAsync(
        string alias, AliasSet target, IServiceProvider services, ModelRegistry registry, RegistryUpdater updater, CancellationToken cancellationToken)
    {
        Valid(target);
        if (registry.Find(alias) is not null)
        {
            throw GatewayException.Invalid($"'{alias}' is a model's name.", "alias");
        }

        foreach (var model in new[] { target.Model, target.OtherModel })
        {
            if (model is not null && registry.Find(model) is null)
            {
                throw GatewayException.UnknownModel(model);
            }
        }

        await Need<EmbeddingModelStore>(services).PutAliasAsync(new(alias, target.Model, target.OtherModel, target.OtherShare), cancellationToken);
        await updater.RefreshAsync(cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Results<NoContent, NotFound>> DeleteAliasAsync(
        string alias, IServiceProvider services, RegistryUpdater updater, CancellationToken cancellationToken)
    {
        var deleted = await Need<EmbeddingModelStore>(services).DeleteAliasAsync(alias, cancellationToken);
        await updater.RefreshAsync(cancellationToken);
        return deleted ? TypedResults.NoContent() : TypedResults.NotFound();
    }

    private static async Task<Results<NoContent, NotFound>> DeleteCanaryAsync(string space, IServiceProvider services, CancellationToken cancellationToken) =>
        await Need<EmbeddingModelStore>(services).DeleteCanaryAsync(space, cancellationToken) ? TypedResults.NoContent() : TypedResults.NotFound();

    private static T Need<T>(IServiceProvider services)
        where T : class => services.GetService<T>() ?? throw new GatewayException(
            StatusCodes.Status501NotImplemented, "invalid_request_error", "no_database", "This needs a database: set ConnectionStrings:ragdb.");

    private static T Valid<T>(T request)
        where T : class
    {
        var results = new List<ValidationResult>();
        return Validator.TryValidateObject(request, new ValidationContext(request), results, validateAllProperties: true)
            ? request
            : throw GatewayException.Invalid(
                FieldNames.WithoutMemberName(results[0].ErrorMessage ?? "The request is not valid."),
                FieldNames.ToJsonPath(results[0].MemberNames.FirstOrDefault() ?? ""));
    }
}

/// <summary>What an alias stands for.</summary>
/// <param name="Model">The model.</param>
/// <param name="OtherModel">The model of a share of workspaces; null for none.</param>
/// <param name="OtherShare">That share, 0 to 1; workspaces keep their place, so raising it only moves workspaces to the other model.</param>
internal sealed record AliasSet(
    [property: Required, StringLength(200, MinimumLength = 1)] string Model,
    [property: StringLength(200)] string? OtherModel = null,
    [property: Range(0f, 1f)] float OtherShare = 0);
