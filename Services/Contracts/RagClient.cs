using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace RagPlatform.Contracts;

/// <summary>An answer of the API that is an error (RFC 9457).</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="title">What is wrong, in a sentence.</param>
/// <param name="errors">What is wrong with which field.</param>
public sealed class RagApiException(HttpStatusCode status, string title, IReadOnlyDictionary<string, string[]> errors)
    : Exception(errors.Count == 0 ? title : title + " " + string.Join(" ", errors.Select(e => $"{e.Key}: {string.Join(' ', e.Value)}")))
{
    /// <summary>The HTTP status.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>What is wrong, in a sentence.</summary>
    public string Title { get; } = title;

    /// <summary>What is wrong with which field.</summary>
    public IReadOnlyDictionary<string, string[]> Errors { get; } = errors;
}

/// <summary>
/// The search API, typed. Every call throws <see cref="RagApiException"/> when the API answers an error, and, before anything is sent, for a name or
/// an id that a path cannot carry.
/// </summary>
/// <param name="http">Its base address is the API's; its authorization header carries the key.</param>
public sealed partial class RagClient(HttpClient http)
{
    /// <summary>A client for the API at <paramref name="address"/>.</summary>
    public static RagClient Create(Uri address, string apiKey)
    {
        var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(100) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        return new RagClient(http);
    }

    /// <summary>Creates a workspace.</summary>
    public Task<Workspace> CreateWorkspaceAsync(WorkspaceCreate workspace, CancellationToken cancellationToken = default) =>
        SendAsync<Workspace>(HttpMethod.Post, "v1/workspaces", workspace, null, cancellationToken);

    /// <summary>A workspace, or null if there is none of that name.</summary>
    public Task<Workspace?> FindWorkspaceAsync(string workspace, CancellationToken cancellationToken = default) =>
        FindAsync<Workspace>($"v1/workspaces/{Escape(workspace)}", cancellationToken);

    /// <summary>Workspaces by name.</summary>
    public Task<Page<Workspace>> ListWorkspacesAsync(
        string? cursor = null, int limit = 100, CancellationToken cancellationToken = default) =>
        SendAsync<Page<Workspace>>(HttpMethod.Get, $"v1/workspaces?limit={limit}{Cursor(cursor)}", null, null, cancellationToken);

    /// <summary>Deletes a workspace with all that it owns; false if there is none of that name.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="confirm">Its name once more, as whoever wants it gone has said it: the API refuses another one.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<bool> DeleteWorkspaceAsync(string workspace, string confirm, CancellationToken cancellationToken = default) =>
        DeleteAsync($"v1/workspaces/{Escape(workspace)}?confirm={Uri.EscapeDataString(confirm)}", null, cancellationToken);

    /// <summary>Creates an API key of a workspace. The answer is the only one that carries the secret.</summary>
    public Task<ApiKey> CreateApiKeyAsync(string workspace, ApiKeyCreate key, CancellationToken cancellationToken = default) =>
        SendAsync<ApiKey>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/keys", key, null, cancellationToken);

    /// <summary>The API keys of a workspace, oldest first, without their secrets.</summary>
    public Task<Page<ApiKey>> ListApiKeysAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<Page<ApiKey>>(HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/keys", null, null, cancellationToken);

    /// <summary>Revokes an API key; false if there is none of that id.</summary>
    public Task<bool> DeleteApiKeyAsync(string workspace, long keyId, CancellationToken cancellationToken = default) =>
        DeleteAsync(
            string.Create(CultureInfo.InvariantCulture, $"v1/workspaces/{Escape(workspace)}/keys/{keyId}"), null, cancellationToken);

    /// <summary>Puts a document. With <paramref name="wait"/> the answer comes once it is searchable, or after that time.</summary>
    public Task<DocumentWrite> PutDocumentAsync(
        string workspace, string id, DocumentPut document, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        SendAsync<DocumentWrite>(HttpMethod.Put, DocumentPath(workspace, id), document, wait, cancellationToken);

    /// <summary>Puts up to 1,000 documents in one transaction.</summary>
    public Task<DocumentBatchResult> PutDocumentsAsync(
        string workspace, IReadOnlyList<BatchDocument> documents, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        SendAsync<DocumentBatchResult>(
            HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/documents", new DocumentBatch(documents), wait, cancellationToken);

    /// <summary>A document, or null.</summary>
    public Task<Document?> FindDocumentAsync(string workspace, string id, CancellationToken cancellationToken = default) =>
        FindAsync<Document>(DocumentPath(workspace, id), cancellationToken);

    /// <summary>Deletes a document; false if there is none of that id.</summary>
    public Task<bool> DeleteDocumentAsync(
        string workspace, string id, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        DeleteAsync(DocumentPath(workspace, id), wait, cancellationToken);

    /// <summary>Documents by id.</summary>
    public Task<Page<DocumentSummary>> ListDocumentsAsync(
        string workspace, string? cursor = null, int limit = 100, CancellationToken cancellationToken = default) =>
        SendAsync<Page<DocumentSummary>>(
            HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/documents?limit={limit}{Cursor(cursor)}", null, null, cancellationToken);

    /// <summary>Documents with their chunks and vectors, by id.</summary>
    public Task<ExportPage> ExportAsync(
        string workspace, string? cursor = null, int limit = 100, CancellationToken cancellationToken = default) =>
        SendAsync<ExportPage>(HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/export?limit={limit}{Cursor(cursor)}", null, null, cancellationToken);

    /// <summary>Where a document stands, or null if there is none of that id.</summary>
    public Task<DocumentIndexing?> FindDocumentIndexingAsync(
        string workspace, string id, CancellationToken cancellationToken = default) =>
        FindAsync<DocumentIndexing>($"v1/workspaces/{Escape(workspace)}/indexing/{EscapeId(id)}", cancellationToken);

    /// <summary>Where a workspace stands.</summary>
    public Task<WorkspaceIndexing> GetIndexingAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<WorkspaceIndexing>(HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/indexing", null, null, cancellationToken);

    /// <summary>Searches.</summary>
    public Task<SearchResponse> SearchAsync(string workspace, SearchRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<SearchResponse>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/search", request, null, cancellationToken);

    /// <summary>Asks a question. Events come as they are written: sources, text, …, done.</summary>
    /// <exception cref="RagApiException">Among others 501: no chat model is configured.</exception>
    public async IAsyncEnumerable<SseItem<AskEvent>> AskAsync(
        string workspace, AskRequest question, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/ask")
        {
            Content = JsonContent.Create(question, options: RagJson.Options),
        };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        await ThrowIfErrorAsync(response, cancellationToken).ConfigureAwait(false);
        var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var item in SseParser.Create(stream, (_, data) => JsonSerializer.Deserialize<AskEvent>(data, RagJson.Options)!)
            .EnumerateAsync(cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    // Uri takes "." and ".." out of a path, however they are written: the request would go to another address.
    private static string Escape(string workspace) => workspace is null or "" or "." or ".."
        ? throw Refused("workspace", WorkspaceCreate.NameRule)
        : Uri.EscapeDataString(workspace);

    // Slashes of an id stay slashes: the route takes the rest of the path.
    private static string EscapeId(string id) => DocumentIds.Check(id) is { } wrong
        ? throw Refused("id", wrong)
        : string.Join('/', id.Split('/').Select(Uri.EscapeDataString));

    // As the API would answer it, before anything is sent.
    private static RagApiException Refused(string field, string message) =>
        new(HttpStatusCode.BadRequest, "The request is not valid.", new Dictionary<string, string[]> { [field] = [message] });

    private static string DocumentPath(string workspace, string id) => $"v1/workspaces/{Escape(workspace)}/documents/{EscapeId(id)}";

    private static string Cursor(string? cursor) => cursor is null ? "" : "&cursor=" + Uri.EscapeDataString(cursor);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, TimeSpan? wait, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, path, body, wait, cancellationToken).ConfigureAwait(false);
        await ThrowIfErrorAsync(response, cancellationToken).ConfigureAwait(false);
        return await response.Content.ReadFromJsonAsync<T>(RagJson.Options, cancellationToken).ConfigureAwait(false)
            ?? throw new RagApiException(response.StatusCode, "The answer is empty.", new Dictionary<string, string[]>());
    }

    private async Task<T?> FindAsync<T>(string path, CancellationToken cancellationToken)
        where T : class
    {
        using var response = await SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        await ThrowIfErrorAsync(response, cancellationToken).ConfigureAwait(false);
        return await response.Content.ReadFromJsonAsync<T>(RagJson.Options, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> DeleteAsync(string path, TimeSpan? wait, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Delete, path, null, wait, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }

        await ThrowIfErrorAsync(response, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, object? body, TimeSpan? wait, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), options: RagJson.Options);
        }

        if (wait is { } time)
        {
            request.Headers.Add("Prefer", $"wait={(int)Math.Ceiling(time.TotalSeconds)}");
        }

        return await http.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private static async Task ThrowIfErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var title = $"The API answered {(int)response.StatusCode} {response.ReasonPhrase}.";
        var errors = new Dictionary<string, string[]>();
        var body = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var problem = JsonSerializer.Deserialize<Problem>(body, RagJson.Options);
            title = problem?.Detail ?? problem?.Title ?? title;
            errors = problem?.Errors ?? errors;
        }
        catch (JsonException)
        {
            // Not a problem document: a proxy's page, for instance. The status says what can be said.
        }

        throw new RagApiException(response.StatusCode, title, errors);
    }

    private sealed record Problem(string? Title, string? Detail, Dictionary<string, string[]>? Errors);
}
