using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>A workspace's documents with their chunks and vectors, to be put elsewhere.</summary>
internal static class ExportEndpoints
{
    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapExport(this RouteGroupBuilder group)
    {
        group.MapGet("/export", ExportAsync)
            .WithTags("Documents")
            .WithName("ExportDocuments")
            .WithSummary("Documents with their chunks and vectors")
            .WithDescription("Each item can be put again as it is. Large documents make a page shorter than its limit; the cursor of the last page is null.");
        return group;
    }

    internal static async Task<Results<Ok<ExportPage>, ValidationProblem>> ExportAsync(
        CurrentWorkspace workspace,
        ExportStore documents,
        string? cursor = null,
        [Range(1, 1000)] int limit = 100,
        CancellationToken cancellationToken = default)
    {
        if (!Cursor.TryDecode(cursor, out var after))
        {
            return Cursor.Invalid();
        }

        var space = workspace.Row.Serving;
        var rows = await documents.ListAsync(workspace.Id, space, after, limit, cancellationToken);
        return TypedResults.Ok(new ExportPage(
            space.Id,
            [.. rows.Select(row => new BatchDocument(
                row.Id, row.Text, row.Title, JsonElement.Parse(row.Metadata), (DocumentPriority)row.Priority, ToChunks(row, space)))],
            rows.Count == 0 ? null : Cursor.Encode(rows[^1].Id)));
    }

    // More than can be put goes as text, and is cut again.
    private static List<PreparedChunk>? ToChunks(ExportRow row, SpaceRow space) =>
        row.Chunks is null || row.Chunks.Count > DocumentLimits.MaxChunks || row.Chunks.Any(c => c.Heading.Length > DocumentLimits.MaxTitleLength)
            ? null
            : [.. row.Chunks.Select(c => new PreparedChunk(c.Text, c.SpaceId == space.SpaceId ? c.Vector : null, c.Heading, c.Start, c.Overlap))];
}
