using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>Documents that could not be indexed: list, group by cause, replay, discard.</summary>
internal static class DeadLetterEndpoints
{
    private const int DefaultPage = 100;

    // Between document and space in a cursor: ids have no control characters.
    private const char Separator = '\n';

    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapDeadLetters(this RouteGroupBuilder group)
    {
        var letters = group.MapGroup("/dead-letters").WithTags("Dead letters");
        letters.MapGet("", ListAsync)
            .WithName("ListDeadLetters")
            .WithSummary("List dead letters by document");
        letters.MapGet("/causes", ListCausesAsync)
            .WithName("ListDeadLetterCauses")
            .WithSummary("The causes of dead letters, most frequent first");
        letters.MapPost("/replay", ReplayAsync)
            .WithName("ReplayDeadLetters")
            .WithSummary("Queue dead letters again")
            .WithDescription("Their failed attempts are forgotten. Discarded ones are among them when they are named or of the cause.")
            .WithMetadata(new RequestExampleAttribute("""{"cause":"provider"}"""));
        letters.MapPost("/discard", DiscardAsync)
            .WithName("DiscardDeadLetters")
            .WithSummary("Put dead letters out of sight")
            .WithDescription("Their documents stay not searchable, and their state stays deadLettered: a put or a replay brings them back.")
            .WithMetadata(new RequestExampleAttribute("""{"ids":["ops/broken.md"]}"""));
        return group;
    }

    internal static async Task<Results<Ok<Page<DeadLetter>>, ValidationProblem>> ListAsync(
        CurrentWorkspace workspace,
        DeadLetterStore letters,
        [StringLength(100, MinimumLength = 1)] string? cause = null,
        bool discarded = false,
        string? cursor = null,
        [Range(1, 1000)] int limit = DefaultPage,
        CancellationToken cancellationToken = default)
    {
        if (!Cursor.TryDecode(cursor, out var key) || (key.Length > 0 && key.Split(Separator).Length != 2))
        {
            return Cursor.Invalid();
        }

        if (cause?.Contains('\0', StringComparison.Ordinal) == true)
        {
            return ApiProblems.Invalid("cause", "NUL characters (U+0000) cannot be in a cause.");
        }

        var parts = key.Length > 0 ? key.Split(Separator) : ["", ""];
        var rows = await letters.ListAsync(workspace.Id, (parts[0], parts[1]), cause, discarded, limit + 1, cancellationToken);
        return TypedResults.Ok(Cursor.Page(rows, limit, row => row.DocumentId + Separator + row.Space, row => new DeadLetter(
            row.DocumentId,
            row.Space,
            row.Revision,
            row.Cause,
            [.. row.Attempts.Select(a => new IndexingAttempt(a.At, a.Cause, a.Message))],
            row.FailedAt,
            row.DiscardedAt)));
    }

    internal static async Task<Ok<Page<DeadLetterCause>>> ListCausesAsync(
        CurrentWorkspace workspace, DeadLetterStore letters, CancellationToken cancellationToken)
    {
        var rows = await letters.ListCausesAsync(workspace.Id, cancellationToken);
        return TypedResults.Ok(new Page<DeadLetterCause>(
            [.. rows.Select(row => new DeadLetterCause(row.Cause, row.Count, row.OldestAt, row.NewestAt, row.Message, row.DocumentId))], null));
    }

    internal static async Task<Results<Ok<OperationResult>, ValidationProblem>> ReplayAsync(
        CurrentWorkspace workspace, DeadLetterSelection selection, DeadLetterStore letters, CancellationToken cancellationToken) =>
        Check(selection) ?? (Results<Ok<OperationResult>, ValidationProblem>)TypedResults.Ok(new OperationResult(
            await letters.ReplayAsync(workspace.Id, new(selection.Ids, selection.Cause), cancellationToken)));

    internal static async Task<Results<Ok<OperationResult>, ValidationProblem>> DiscardAsync(
        CurrentWorkspace workspace, DeadLetterSelection selection, DeadLetterStore letters, CancellationToken cancellationToken) =>
        Check(selection) ?? (Results<Ok<OperationResult>, ValidationProblem>)TypedResults.Ok(new OperationResult(
            await letters.DiscardAsync(workspace.Id, new(selection.Ids, selection.Cause), cancellationToken)));

    private static ValidationProblem? Check(DeadLetterSelection selection)
    {
        if (selection.Cause?.Contains('\0', StringComparison.Ordinal) == true)
        {
            return ApiProblems.Invalid("cause", "NUL characters (U+0000) cannot be in a cause.");
        }

        return selection.Ids?.Any(id => id is null || id.Contains('\0', StringComparison.Ordinal)) == true
            ? ApiProblems.Invalid("ids", "An id is a string without NUL characters (U+0000).")
            : null;
    }
}
