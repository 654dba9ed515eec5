using RagPlatform.Contracts;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Writes documents, and waits until they are searchable where the caller prefers that.</summary>
internal sealed class DocumentWriter(DocumentStore documents, IndexingWaiter waiter, WorkspaceCache workspaces)
{
    /// <summary>Puts documents in one transaction.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="inputs">Documents with different ids, checked.</param>
    /// <param name="context">The request, whose <c>Prefer</c> is followed.</param>
    /// <param name="cancellationToken">Before the write is committed nothing is written; afterwards only waiting ends.</param>
    /// <returns>What was done, in the order of the inputs; whether nothing that was to be waited for is still under way; whether the first one is new.</returns>
    public async Task<(IReadOnlyList<DocumentWrite> Writes, bool Complete, bool Created)> PutAsync(
        int workspaceId, IReadOnlyList<DocumentInput> inputs, HttpContext context, CancellationToken cancellationToken)
    {
        var rows = await documents.PutAsync(workspaceId, inputs, cancellationToken);
        workspaces.Invalidate(workspaceId);
        var pending = rows.Where(row => !IndexingWaiter.IsFinal(row.State)).Select(row => row.Id).ToList();
        var states = await WaitAsync(workspaceId, pending, context, cancellationToken);
        var writes = rows.Select(row => new DocumentWrite(
            row.Id,
            row.Revision,
            (IndexingState)(states?.GetValueOrDefault(row.Id, row.State) ?? row.State),
            row.Changed)).ToList();
        return (writes, states is null || states.Values.All(IndexingWaiter.IsFinal), rows[0].Created);
    }

    /// <summary>Deletes a document.</summary>
    /// <returns>Null when there is none of that id; else whether nothing that was to be waited for is still under way.</returns>
    /// <inheritdoc cref="PutAsync"/>
    public async Task<bool?> DeleteAsync(int workspaceId, string id, HttpContext context, CancellationToken cancellationToken)
    {
        if (!await documents.DeleteAsync(workspaceId, id, cancellationToken))
        {
            return null;
        }

        workspaces.Invalidate(workspaceId);
        var states = await WaitAsync(workspaceId, [id], context, cancellationToken);
        return states is null || states.Values.All(IndexingWaiter.IsFinal);
    }

    private async Task<IReadOnlyDictionary<string, DocumentState>?> WaitAsync(
        int workspaceId, IReadOnlyCollection<string> ids, HttpContext context, CancellationToken cancellationToken)
    {
        if (PreferWait.Read(context.Request.Headers) is not { } seconds)
        {
            return null;
        }

        if (ids.Count == 0)
        {
            PreferWait.Confirm(context.Response.Headers, seconds);
            return null;
        }

        var states = await waiter.WaitAsync(workspaceId, ids, TimeSpan.FromSeconds(seconds), cancellationToken);
        if (states is not null)
        {
            PreferWait.Confirm(context.Response.Headers, seconds);
        }

        return states;
    }
}
