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

    /// <summary>Whether it is asked for what the workspace has, although nothing is remembered.</summary>
    public bool Compare { get; init; }

    /// <summary>Whether nothing is sent.</summary>
    public bool DryRun { get; init; }
}

/// <summary>Reads files and puts their documents: one reader, several batches in flight, bounded memory.</summary>
/// <param name="client">The API.</param>
/// <param name="workspace">The workspace, which exists.</param>
/// <param name="identity">What tells sources apart.</param>
/// <param name="options">How.</param>
/// <param name="progress">Told what happens.</param>
internal sealed class Ingestion(RagClient client, string workspace, SourceIdentity identity, IngestOptions options, IngestProgress progress)
{
    private const int ListPage = 1000;

    private readonly List<string> _wouldPut = [];
    private readonly Dictionary<string, string> _seen = new(StringComparer.Ordinal);
    private Dictionary<string, StoredDocument> _stored = [];
    private bool _hasUnknown;

    /// <summary>Ids that would be put, when nothing is sent.</summary>
    public IReadOnlyCollection<string> WouldPut => _wouldPut;

    /// <summary>Ingests <paramref name="scan"/>. When it returns, every document was accepted, skipped or refused.</summary>
    public async Task RunAsync(SourceScan scan, IngestLedger ledger, CancellationToken cancellationToken)
    {
        _stored = ledger.Count > 0 || options.Compare ? await ListStoredAsync(cancellationToken) : [];
        var reader = new SourceReader(
            options.Prefix, identity, (id, fingerprint) => ledger.IsKnown(id, fingerprint, _stored.TryGetValue(id, out var d) ? d.Revision : null));

        using var failure = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var batches = Channel.CreateBounded<Batch>(options.Parallel);
        Task[] tasks =
        [
            RunPartAsync(() => ReadAllAsync(scan, reader, batches.Writer, failure.Token), failure),
            .. Enumerable.Range(0, options.Parallel).Select(_ => RunPartAsync(() => SendAllAsync(batches.Reader, ledger, failure.Token), failure)),
        ];
        await FirstFailureAsync(tasks, cancellationToken);
    }

    /// <summary>What the workspace had of the sources that are whole in <paramref name="scan"/>, and they have no longer. After <see cref="RunAsync"/>.</summary>
    /// <exception cref="CliException">Not all of a source could be read.</exception>
    public IReadOnlyList<MissingDocuments> FindMissing(SourceScan scan) => _hasUnknown
        ? throw new CliException("nothing was deleted, because there are lines whose id could not be read.")
        : MissingDocuments.Find(scan, identity, _stored, _seen.ContainsKey);

    /// <summary>Deletes documents.</summary>
    public async Task DeleteAsync(IEnumerable<string> ids, CancellationToken cancellationToken)
    {
        foreach (var id in ids)
        {
            if (await client.DeleteDocumentAsync(workspace, id, wait: null, cancellationToken))
            {
                progress.AddDeleted(id);
            }
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
        SourceRoot? root = null;
        foreach (var file in scan.Files)
        {
            if (file.Root != root)
            {
                root = file.Root;
                reader.Furniture = await FurnitureReader.ReadAsync(scan.Files.Where(f => f.Root == root && f.Kind is SourceKind.Html), cancellationToken);
            }

            await foreach (var item in reader.ReadAsync(file, cancellationToken))
            {
                progress.AddLeftOut(item);
                _hasUnknown |= item is { Id: null, Refusal: not null };
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
                    else if (!item.IsLinksOnly)
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
            if (options.DryRun)
            {
                lock (_wouldPut)
                {
                    _wouldPut.AddRange(batch.Documents.Select(document => document.Id));
                }

                continue;
            }

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

    private async Task<Dictionary<string, StoredDocument>> ListStoredAsync(CancellationToken cancellationToken)
    {
        var stored = new Dictionary<string, StoredDocument>(StringComparer.Ordinal);
        string? cursor = null;
        do
        {
            var page = await client.ListDocumentsAsync(workspace, cursor, ListPage, cancellationToken);
            foreach (var document in page.Items)
            {
                var source = document.Metadata.ValueKind == System.Text.Json.JsonValueKind.Object
                    && document.Metadata.TryGetProperty(SourceIdentity.Member, out var value) ? value.ToString() : "";
                stored[document.Id] = new(document.Revision, source);
            }

            cursor = page.NextCursor;
        }
        while (cursor is not null);

        return stored;
    }

    private sealed class Batch
    {
        public List<SourceDocument> Documents { get; } = [];

        public long Size { get; set; }

        public long Bytes { get; set; }
    }
}
