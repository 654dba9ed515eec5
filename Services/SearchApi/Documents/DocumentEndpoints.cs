using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Documents: put one or many, get, list, delete.</summary>
internal static class DocumentEndpoints
{
    private const int DefaultPage = 100;
    private const int MaxErrors = 100;

    private const string PutExample = """{"title":"Backups","text":"# Backups\n\nRun them at night.","metadata":{"team":"ops","year":2026}}""";

    private const string BatchExample = """{"documents":[{"id":"ops/backups.md","text":"Run them at night."},{"id":"ops/restore.md","text":"Test it."}]}""";

    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapDocuments(this RouteGroupBuilder group)
    {
        var documents = group.MapGroup("/documents").WithTags("Documents");
        documents.MapPost("", PutManyAsync)
            .WithName("PutDocuments")
            .WithSummary("Put up to 1,000 documents in one transaction: all or none")
            .WithDescription("A document that is as it was put stays untouched. With 'Prefer: wait=N' the answer comes once all are searchable; 202 when the time is over.")
            .WithMetadata(new WaitsAttribute(), new RequestExampleAttribute(BatchExample));
        documents.MapGet("", ListAsync)
            .WithName("ListDocuments")
            .WithSummary("List documents by id");
        documents.MapPut("/{**id}", PutAsync)
            .WithName("PutDocument")
            .WithSummary("Put a document: create or replace it")
            .WithDescription("An id may contain slashes. With 'Prefer: wait=N' the answer comes once the document is searchable; 202 when the time is over.")
            .WithMetadata(new WaitsAttribute(), new RequestExampleAttribute(PutExample), new ConditionalAttribute("If-Match"))
            .ProducesProblem(StatusCodes.Status412PreconditionFailed);
        documents.MapGet("/{**id}", GetAsync)
            .WithName("GetDocument")
            .WithSummary("Get a document")
            .WithMetadata(new ConditionalAttribute("If-None-Match"))
            .Produces(StatusCodes.Status304NotModified);
        documents.MapDelete("/{**id}", DeleteAsync)
            .WithName("DeleteDocument")
            .WithSummary("Delete a document")
            .WithDescription("It is out of every search at once.")
            .WithMetadata(new WaitsAttribute(), new ConditionalAttribute("If-Match"))
            .ProducesProblem(StatusCodes.Status412PreconditionFailed);
        return group;
    }

    internal static async Task<Results<Ok<DocumentBatchResult>, Accepted<DocumentBatchResult>, ValidationProblem>> PutManyAsync(
        CurrentWorkspace workspace,
        DocumentBatch batch,
        DocumentWriter writer,
        HttpContext context,
        CancellationToken cancellationToken)
    {
        var errors = CheckBatch(batch.Documents);
        var inputs = errors.Count > 0 ? [] : PrepareBatch(batch.Documents, workspace.Row.Serving, errors);
        if (errors.Count > 0)
        {
            return ApiProblems.Invalid(errors);
        }

        var (writes, complete) = await writer.PutAsync(workspace.Id, inputs, context, cancellationToken);
        var result = new DocumentBatchResult(writes);
        return complete ? TypedResults.Ok(result) : TypedResults.Accepted((string?)null, result);
    }

    internal static async Task<Results<Ok<Page<DocumentSummary>>, ValidationProblem>> ListAsync(
        CurrentWorkspace workspace,
        DocumentStore documents,
        string? cursor = null,
        [Range(1, 1000)] int limit = DefaultPage,
        CancellationToken cancellationToken = default)
    {
        if (!Cursor.TryDecode(cursor, out var after))
        {
            return Cursor.Invalid();
        }

        var rows = await documents.ListAsync(workspace.Id, after, limit + 1, cancellationToken);
        return TypedResults.Ok(Cursor.Page(rows, limit, row => row.Id, row => new DocumentSummary(
            row.Id, row.Title, ParseMetadata(row.Metadata), row.Revision, row.TextLength, (IndexingState)row.State, row.UpdatedAt)));
    }

    internal static async Task<Results<Ok<DocumentWrite>, Created<DocumentWrite>, Accepted<DocumentWrite>, ValidationProblem, ProblemHttpResult>> PutAsync(
        CurrentWorkspace workspace,
        DocumentId id,
        DocumentPut document,
        DocumentWriter writer,
        HttpContext context,
        CancellationToken cancellationToken)
    {
        var errors = new Dictionary<string, string[]>();
        Check(errors, "", id.Value, "id", document.Title, document.Text, document.Chunks is not null, document.Metadata);
        var prepared = PreparedText.Read(document.Text, document.Chunks, workspace.Row.Serving, errors, "");
        if (errors.Count > 0)
        {
            return ApiProblems.Invalid(errors);
        }

        if (!Preconditions.TryRead(context.Request.Headers, out var condition))
        {
            return Preconditions.Invalid();
        }

        var input = ToInput(id.Value, document.Title, prepared!, document.Metadata, document.Priority);
        if (await writer.PutAsync(workspace.Id, input, condition, context, cancellationToken) is not { } written)
        {
            return Preconditions.Failed();
        }

        var (write, complete, created) = written;
        context.Response.Headers.ETag = Preconditions.ETag(write.Revision);
        return !complete ? TypedResults.Accepted((string?)null, write)
            : created ? TypedResults.Created((string?)null, write)
            : TypedResults.Ok(write);
    }

    internal static async Task<Results<Ok<Document>, StatusCodeHttpResult, ValidationProblem, ProblemHttpResult>> GetAsync(
        CurrentWorkspace workspace, DocumentId id, DocumentStore documents, HttpContext context, CancellationToken cancellationToken)
    {
        if (DocumentIds.Check(id.Value) is { } wrong)
        {
            return ApiProblems.Invalid("id", wrong);
        }

        if (await documents.FindAsync(workspace.Id, id.Value, cancellationToken) is not { } row)
        {
            return ApiProblems.NotFound("document", id.Value);
        }

        context.Response.Headers.ETag = Preconditions.ETag(row.Revision);
        if (Preconditions.HasCurrent(context.Request.Headers, row.Revision))
        {
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        }

        return TypedResults.Ok(new Document(
            row.Id,
            row.Title,
            row.Text,
            ParseMetadata(row.Metadata),
            (DocumentPriority)row.Priority,
            row.Revision,
            row.CreatedAt,
            row.UpdatedAt));
    }

    internal static async Task<Results<NoContent, Accepted, ValidationProblem, ProblemHttpResult>> DeleteAsync(
        CurrentWorkspace workspace, DocumentId id, DocumentWriter writer, HttpContext context, CancellationToken cancellationToken)
    {
        if (DocumentIds.Check(id.Value) is { } wrong)
        {
            return ApiProblems.Invalid("id", wrong);
        }

        if (!Preconditions.TryRead(context.Request.Headers, out var condition) || condition == DocumentCondition.Absent)
        {
            return Preconditions.Invalid();
        }

        return await writer.DeleteAsync(workspace.Id, id.Value, condition, context, cancellationToken) switch
        {
            (DocumentDeletion.Refused, _) => Preconditions.Failed(),
            (DocumentDeletion.Missing, _) => condition is null ? ApiProblems.NotFound("document", id.Value) : Preconditions.Failed(),
            (_, true) => TypedResults.NoContent(),
            _ => TypedResults.Accepted((string?)null),
        };
    }

    /// <summary>Everything that is wrong with a batch, by path. At most 100 entries: nobody reads more.</summary>
    internal static Dictionary<string, string[]> CheckBatch(IReadOnlyList<BatchDocument> documents)
    {
        var errors = new Dictionary<string, string[]>();
        var positions = new Dictionary<string, int>(documents.Count, StringComparer.Ordinal);
        for (var i = 0; i < documents.Count && errors.Count < MaxErrors; i++)
        {
            var document = documents[i];
            var path = string.Create(CultureInfo.InvariantCulture, $"documents[{i}]");
            if (document is null)
            {
                errors[path] = ["Expected an object."];
                continue;
            }

            Check(errors, path + ".", document.Id, "id", document.Title, document.Text, document.Chunks is not null, document.Metadata);
            if (!positions.TryAdd(document.Id, i))
            {
                errors[path + ".id"] = [$"The id is that of documents[{positions[document.Id]}] as well: ids of a batch must differ."];
            }
        }

        return errors;
    }

    private static void Check(
        Dictionary<string, string[]> errors, string prefix, string id, string idField, string title, string? text, bool chunked, JsonElement? metadata)
    {
        Add(idField, DocumentIds.Check(id));
        Add("title", WireText.Check(title));
        Add("text", text is not null ? WireText.Check(text)
            : chunked ? null
            : "A text is required, and must not be null, where no chunks are put.");
        Add("metadata", DocumentRules.CheckMetadata(metadata));

        void Add(string field, string? message)
        {
            if (message is not null)
            {
                errors[prefix + field] = [message];
            }
        }
    }

    private static List<DocumentInput> PrepareBatch(
        IReadOnlyList<BatchDocument> documents, SpaceRow space, Dictionary<string, string[]> errors)
    {
        var inputs = new List<DocumentInput>(documents.Count);
        for (var i = 0; i < documents.Count && errors.Count < MaxErrors; i++)
        {
            var document = documents[i];
            var path = string.Create(CultureInfo.InvariantCulture, $"documents[{i}].");
            if (PreparedText.Read(document.Text, document.Chunks, space, errors, path) is { } prepared)
            {
                inputs.Add(ToInput(document.Id, document.Title, prepared, document.Metadata, document.Priority));
            }
        }

        return inputs;
    }

    private static DocumentInput ToInput(string id, string title, PreparedText text, JsonElement? metadata, DocumentPriority priority) =>
        new(id, title, text.Text, DocumentRules.ToJson(metadata), (short)priority, text.Chunks);

    private static JsonElement ParseMetadata(string json) => JsonElement.Parse(json);
}
