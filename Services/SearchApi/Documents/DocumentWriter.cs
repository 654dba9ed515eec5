using RagPlatform.Contracts;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Writes documents, and waits until they are searchable where the caller prefers that.</summary>
internal sealed class DocumentWriter(DocumentStore documents, IndexingWaiter waiter, WorkspaceCache workspaces, TimeProvider time)
{
    // On top of what any statement may take: a large batch takes seconds.
    private const int CharactersPerSecond = 500_000;

    /// <summary>Puts documents in one transaction.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="inputs">Documents with different ids, checked.</param>
    /// <param name="context">The request, whose <c>Prefer</c> is followed.</param>
    /// <param name="cancellationToken">Before the write is committed nothing is written; afterwards only waiting ends.</param>
    /// <returns>What was done, in the order of the inputs, and whether nothing that was to be waited for is still under way.</returns>
    public async Task<(IReadOnlyList<DocumentWrite> Writes, bool Complete)> PutAsync(
        int workspaceId, IReadOnlyList<DocumentInput> inputs, HttpContext context, CancellationToken cancellationToken) =>
        await WaitAsync(
            workspaceId,
            await DatabaseDeadline.WaitAsync(token => documents.PutAsync(workspaceId, inputs, token), LimitOf(inputs), time, cancellationToken),
            context,
            cancellationToken);

    /// <summary>Puts a document if it is as the caller demands.</summary>
    /// <param name="condition">What the stored document must be; null for anything.</param>
    /// <returns>What was done, whether nothing that was to be waited for is still under way, and whether it is new; null when it is not as demanded.</returns>
    /// <inheritdoc cref="PutAsync(int, IReadOnlyList{DocumentInput}, HttpContext, CancellationToken)"/>
#pragma warning disable CS1573 // The other parameters are those of the overload.
    public async Task<(DocumentWrite Write, bool Complete, bool Created)?> PutAsync(
        int workspaceId, DocumentInput input, DocumentCondition? condition, HttpContext context, CancellationToken cancellationToken)
#pragma warning restore CS1573
    {
        if (await DatabaseDeadline.WaitAsync(
            token => documents.PutAsync(workspaceId, input, condition, token), LimitOf([input]), time, cancellationToken) is not { } row)
        {
            return null;
        }

        var (writes, complete) = await WaitAsync(workspaceId, [row], context, cancellationToken);
        return (writes[0], complete, row.Created);
    }

    /// <summary>Deletes a document if it is as the caller demands.</summary>
    /// <returns>What became of it, and whether nothing that was to be waited for is still under way.</returns>
    public async Task<(DocumentDeletion Deletion, bool Complete)> DeleteAsync(
        int workspaceId, string id, DocumentCondition? condition, HttpContext context, CancellationToken cancellationToken)
    {
        var deletion = await DatabaseDeadline.WaitAsync(
            token => documents.DeleteAsync(workspaceId, id, condition, token), DatabaseDeadline.Short * 2, time, cancellationToken);
        if (deletion != DocumentDeletion.Done)
        {
            return (deletion, true);
        }

        workspaces.Invalidate(workspaceId);
        var states = await WaitForStatesAsync(workspaceId, [id], context, cancellationToken);
        return (deletion, states is null || states.Values.All(IndexingWaiter.IsFinal));
    }

    private static TimeSpan LimitOf(IReadOnlyList<DocumentInput> inputs) =>
        DatabaseDeadline.Short + TimeSpan.FromSeconds(inputs.Count / 100d)
        + TimeSpan.FromSeconds(inputs.Sum(i => (long)i.Text.Length + (i.Chunks?.Sum(c => (long)c.Text.Length) ?? 0)) / (double)CharactersPerSecond);

    private async Task<(IReadOnlyList<DocumentWrite> Writes, bool Complete)> WaitAsync(
        int workspaceId, IReadOnlyList<DocumentWriteRow> rows, HttpContext context, CancellationToken cancellationToken)
    {
        workspaces.Invalidate(workspaceId);
        var pending = rows.Where(row => !IndexingWaiter.IsFinal(row.State)).Select(row => row.Id).ToList();
        var states = await WaitForStatesAsync(workspaceId, pending, context, cancellationToken);
        var writes = rows.Select(row => new DocumentWrite(
            row.Id,
            row.Revision,
            (IndexingState)(states?.GetValueOrDefault(row.Id, row.State) ?? row.State),
            row.Changed)).ToList();
        return (writes, states is null || states.Values.All(IndexingWaiter.IsFinal));
    }

    private async Task<IReadOnlyDictionary<string, DocumentState>?> WaitForStatesAsync(
        int workspaceId, IReadOnlyCollection<string> ids, HttpContext context, CancellationToken cancellationToken)
    {
        if (PreferWait.Read(context.Request.Headers) is not { } seconds)
        {
            return null;
        }

        PreferWait.Begin(context);
        var states = ids.Count == 0
            ? new Dictionary<string, DocumentState>()
            : await waiter.WaitAsync(workspaceId, ids, context.User, TimeSpan.FromSeconds(seconds), cancellationToken);
        if (states is not null)
        {
            PreferWait.Confirm(context.Response.Headers, seconds);
        }

        return states;
    }
}
