using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Documents;
using RagPlatform.SearchApi.Limits;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>The feed of changes, for others to follow.</summary>
internal static class ChangeEndpoints
{
    private const int DefaultPage = 100;
    private const string End = "end";

    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Maps it on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapChanges(this RouteGroupBuilder group)
    {
        group.MapGet("/changes", ListAsync)
            .WithTags("Changes")
            .WithName("ListChanges")
            .WithSummary("Follow changes of documents")
            .WithDescription(
                "Each change once, in the order of their transactions. To mirror a workspace: take 'next' of after=end, list all documents, "
                + "then follow from there. With 'Prefer: wait=N' an answer without changes waits for one.")
            .WithMetadata(new WaitsAttribute());
        return group;
    }

    internal static async Task<Results<Ok<DocumentChanges>, ValidationProblem>> ListAsync(
        CurrentWorkspace workspace,
        ChangeStore changes,
        GenerationSignal signal,
        StreamSlots slots,
        TimeProvider time,
        IHostApplicationLifetime lifetime,
        HttpContext context,
        string? after = null,
        [Range(1, 1000)] int limit = DefaultPage,
        CancellationToken cancellationToken = default)
    {
        if (after == End)
        {
            var end = await changes.FindEndAsync(workspace.Id, cancellationToken);
            return TypedResults.Ok(new DocumentChanges([], Encode(end), false));
        }

        if (!TryDecode(after, out var position))
        {
            return ApiProblems.Invalid("after", "It is none that this feed has given: pass 'next' of an answer, 'end', or leave it out.");
        }

        // Without a slot it is answered at once, as if nobody preferred to wait.
        var seconds = PreferWait.Read(context.Request.Headers);
        using var slot = seconds is null ? null : slots.TryTake(context.User);
        if (slot is null)
        {
            seconds = null;
        }

        if (seconds is { } applied)
        {
            PreferWait.Begin(context);
            PreferWait.Confirm(context.Response.Headers, applied);
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        var start = time.GetTimestamp();
        while (true)
        {
            var changed = signal.NextAsync(workspace.Id);
            var rows = await changes.ListAsync(workspace.Id, position, limit + 1, cancellationToken);
            var left = TimeSpan.FromSeconds(seconds ?? 0) - time.GetElapsedTime(start);
            if (rows.Count > 0 || left <= TimeSpan.Zero || ending.IsCancellationRequested)
            {
                return TypedResults.Ok(ToContract(rows, limit, position));
            }

            // A change is shown when older transactions have ended, which nobody notifies of: so this polls as well.
            await changed.WaitAsync(left < s_pollInterval ? left : s_pollInterval, time, ending.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>A place in the feed as callers see it.</summary>
    internal static string Encode(ChangePosition position) =>
        Cursor.Encode(string.Create(CultureInfo.InvariantCulture, $"{position.Xid}-{position.ChangeId}"));

    /// <summary>Reads a place; none means the beginning.</summary>
    internal static bool TryDecode(string? after, out ChangePosition position)
    {
        position = default;
        if (!Cursor.TryDecode(after, out var key))
        {
            return false;
        }

        if (key.Length == 0)
        {
            return true;
        }

        var dash = key.IndexOf('-', StringComparison.Ordinal);
        if (dash > 0
            && ulong.TryParse(key.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var xid)
            && long.TryParse(key.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var changeId))
        {
            position = new(xid, changeId);
            return true;
        }

        return false;
    }

    private static DocumentChanges ToContract(IReadOnlyList<ChangeRow> rows, int limit, ChangePosition position)
    {
        var items = rows.Take(limit).ToList();
        return new(
            [.. items.Select(row => new DocumentChange(row.DocumentId, row.Revision, Enum.Parse<DocumentChangeKind>(row.Kind, ignoreCase: true), row.At))],
            Encode(items.Count > 0 ? items[^1].Position : position),
            rows.Count > limit);
    }
}
