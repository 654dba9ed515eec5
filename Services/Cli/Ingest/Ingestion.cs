using System.Text;
using System.Threading.Channels;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>How documents are sent.</summary>
internal sealed record IngestOptions
{
    /// <summary>Put before each id.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Batches in flight, 1 to 16.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>The most documents of a batch.</summary>
    public int BatchDocuments { get; init; } = 500;

    /// <summary>About the most bytes of a batch; a larger document travels alone.</summary>
    public int BatchBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>How soon the documents are indexed.</summary>
    public DocumentPriority Priority { get; init; } = DocumentPriority.Normal;

    /// <summary>Whether documents of the same sources that no longer exist are deleted.</summary>
    public bool DeleteMissing { get; init; }
}

/// <summary>Reads files and puts their documents: one reader, several batches in flight, bounded memory.</summary>
/// <param name="client">The API.</param>
/// <param name="workspace">The workspace, which exists.</param>
/// <param name="options">How.</param>
/// <param name="progress">Told what happens.</param>
internal sealed class Ingestion(RagClient client, string workspace, IngestOptions options, IngestProgress progress)
{
    private const int ListPage = 1000;

    private readonly Dictionary<string, string> _seen = new(StringComparer.Ordinal);

    /// <summary>Ingests <paramref name="scan"/>. When it returns, every document was accepted, skipped or refused.</summary>
    public async Task RunAsync(SourceScan scan, IngestLedger ledger, CancellationToken cancellationToken)
    {
        var stored = ledger.Count > 0 || options.DeleteMissing
            ? await ListStoredAsync(cancellationToken)
            : [];
        var reader = new SourceReader(
            options.Prefix, (id, fingerprint) => ledger.IsKnown(id, fingerprint, stored.TryGetValue(id, out var d) ? d.Revision : null));

        using var failure = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var batches = Channel.CreateBounded<Batch>(options.Parallel);
        Task[] tasks =
        [
            RunPartAsync(() => ReadAllAsync(scan, reader, batches.Writer, failure.Token), failure),
            .. Enumerable.Range(0, options.Parallel).Select(_ => RunPartAsync(() => SendAllAsync(batches.Reader, ledger, failure.Token), failure)),
        ];
        await FirstFailureAsync(tasks, cancellationToken);

        if (options.DeleteMissing)
        {
            await DeleteMissingAsync(scan, stored, cancellationToken);
        }
    }

    // The first part that fails stops the others, whose cancellation is then not what went wrong.
    private static async Task FirstFailureAsync(Task[] tasks, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(tasks);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await tasks.First(task => task.IsFaulted);
            throw;
        }
    }

    private static async Task RunPartAsync(Func<Task> part, CancellationTokenSource failure)
    {
        try
        {
            await part();
        }
        catch
        {
            await failure.CancelAsync();
            throw;
        }
    }

    private async Task ReadAllAsync(SourceScan scan, SourceReader reader, ChannelWriter<Batch> batches, CancellationToken cancellationToken)
    {
        progress.AddRefused(scan.Unreadable);
        var batch = new Batch();
        foreach (var file in scan.Files)
        {
            await foreach (var item in reader.ReadAsync(file, cancellationToken))
            {
                if (item.Id is { } id && !_seen.TryAdd(id, file.FullPath))
                {
                    progress.AddRefused([new Refusal(id, $"{file.FullPath} has the same id as a document of {_seen[id]}")]);
                    progress.AddBytes(item.Bytes);
                }
                else if (item.Document is { } document)
                {
                    var size = Encoding.UTF8.GetByteCount(document.Text);
                    if (batch.Documents.Count == options.BatchDocuments
                        || (batch.Documents.Count > 0 && batch.Size + size > options.BatchBytes))
                    {
                        await batches.WriteAsync(batch, cancellationToken);
                        batch = new Batch();
                    }

                    batch.Documents.Add(document);
                    batch.Size += size;
                    batch.Bytes += item.Bytes;
                }
                else
                {
                    progress.AddBytes(item.Bytes);
                    if (item.Refusal is { } refusal)
                    {
                        progress.AddRefused([refusal]);
                    }
                    else
                    {
                        progress.AddSkipped();
                    }
                }
            }
        }

        if (batch.Documents.Count > 0)
        {
            await batches.WriteAsync(batch, cancellationToken);
        }

        batches.Complete();
    }

    private async Task SendAllAsync(ChannelReader<Batch> batches, IngestLedger ledger, CancellationToken cancellationToken)
    {
        var sender = new BatchSender((documents, token) => client.PutDocumentsAsync(workspace, documents, wait: null, token));
        await foreach (var batch in batches.ReadAllAsync(cancellationToken))
        {
            var documents = batch.Documents
                .Select(d => new BatchDocument(d.Id, d.Text, d.Title, d.Metadata, options.Priority))
                .ToArray();
            var outcome = await sender.SendAsync(documents, cancellationToken);
            var fingerprints = batch.Documents.ToDictionary(d => d.Id, d => d.Fingerprint, StringComparer.Ordinal);
            ledger.Add(outcome.Written.Select(w => (w.Id, fingerprints[w.Id], w.Revision)));
            var changed = outcome.Written.Count(w => w.Changed);
            progress.AddAccepted(changed, outcome.Written.Count - changed);
            progress.AddRefused(outcome.Refused);
            progress.AddBytes(batch.Bytes);
        }
    }

    private async Task<Dictionary<string, (long Revision, string Source)>> ListStoredAsync(CancellationToken cancellationToken)
    {
        var stored = new Dictionary<string, (long, string)>(StringComparer.Ordinal);
        string? cursor = null;
        do
        {
            var page = await client.ListDocumentsAsync(workspace, cursor, ListPage, cancellationToken);
            foreach (var document in page.Items)
            {
                var source = document.Metadata.ValueKind == System.Text.Json.JsonValueKind.Object
                    && document.Metadata.TryGetProperty("source", out var value) ? value.ToString() : "";
                stored[document.Id] = (document.Revision, source);
            }

            cursor = page.NextCursor;
        }
        while (cursor is not null);

        return stored;
    }

    // Only what came from the same sources under the same prefix: a workspace may have other documents.
    private async Task DeleteMissingAsync(
        SourceScan scan, Dictionary<string, (long Revision, string Source)> stored, CancellationToken cancellationToken)
    {
        if (scan.Unreadable.Count > 0)
        {
            throw new CliException("nothing was deleted, because not every folder could be read.");
        }

        var sources = scan.Files.Select(file => file.Source).ToHashSet(StringComparer.Ordinal);
        foreach (var (id, document) in stored)
        {
            if (!_seen.ContainsKey(id) && sources.Contains(document.Source) && id.StartsWith(options.Prefix, StringComparison.Ordinal)
                && await client.DeleteDocumentAsync(workspace, id, wait: null, cancellationToken))
            {
                progress.AddDeleted();
            }
        }
    }

    private sealed class Batch
    {
        public List<SourceDocument> Documents { get; } = [];

        public long Size { get; set; }

        public long Bytes { get; set; }
    }
}
