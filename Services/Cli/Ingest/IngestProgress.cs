namespace RagPlatform.Cli.Ingest;

/// <summary>What an ingestion is doing.</summary>
internal enum IngestPhase
{
    /// <summary>Reads and sends documents.</summary>
    Sending,

    /// <summary>Waits until they are searchable.</summary>
    Indexing,
}

/// <summary>How far an ingestion is. Written by the pipeline, read by whoever shows it.</summary>
/// <param name="totalBytes">Size of all files.</param>
internal sealed class IngestProgress(long totalBytes)
{
    private readonly Lock _lock = new();
    private readonly List<Refusal> _refusals = [];
    private readonly List<string> _deleted = [];
    private long _bytes;
    private int _changed;
    private int _unchanged;
    private int _skipped;
    private int _settled;
    private int _accepted;

    /// <summary>What is being done.</summary>
    public IngestPhase Phase { get; set; }

    /// <summary>Size of all files.</summary>
    public long TotalBytes { get; } = totalBytes;

    /// <summary>Bytes whose documents were accepted, refused or skipped.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Documents that were accepted, refused or skipped.</summary>
    public int Settled => Volatile.Read(ref _settled);

    /// <summary>New or changed documents.</summary>
    public int Changed => Volatile.Read(ref _changed);

    /// <summary>Documents that were sent and were as they are already.</summary>
    public int Unchanged => Volatile.Read(ref _unchanged);

    /// <summary>Documents that were not sent, because they are there already.</summary>
    public int Skipped => Volatile.Read(ref _skipped);

    /// <summary>Ids of documents that were deleted.</summary>
    public IReadOnlyList<string> Deleted
    {
        get
        {
            lock (_lock)
            {
                return [.. _deleted];
            }
        }
    }

    /// <summary>Pieces of pages that are no content.</summary>
    public int LeftOutPieces { get; private set; }

    /// <summary>Pages with nothing but links.</summary>
    public int LinksOnly { get; private set; }

    /// <summary>Documents with a title only.</summary>
    public int Empty { get; private set; }

    /// <summary>Documents that the API accepted, changed or not.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Indexing tasks when waiting began, or more if more came.</summary>
    public long IndexingTotal { get; private set; }

    /// <summary>Indexing tasks that are left.</summary>
    public long IndexingLeft { get; private set; }

    /// <summary>Those of them that failed and will be tried again.</summary>
    public long Retrying { get; private set; }

    /// <summary>What was refused so far.</summary>
    public IReadOnlyList<Refusal> Refusals
    {
        get
        {
            lock (_lock)
            {
                return [.. _refusals];
            }
        }
    }

    /// <summary>Counts documents that the API has accepted.</summary>
    public void AddAccepted(int changed, int unchanged)
    {
        Interlocked.Add(ref _changed, changed);
        Interlocked.Add(ref _unchanged, unchanged);
        Interlocked.Add(ref _accepted, changed + unchanged);
        Interlocked.Add(ref _settled, changed + unchanged);
    }

    /// <summary>Counts a document that is there already.</summary>
    public void AddSkipped()
    {
        Interlocked.Increment(ref _skipped);
        Interlocked.Increment(ref _settled);
    }

    /// <summary>Counts a document that was deleted.</summary>
    public void AddDeleted(string id)
    {
        lock (_lock)
        {
            _deleted.Add(id);
        }
    }

    /// <summary>Counts what of a file is no content. For one thread.</summary>
    public void AddLeftOut(SourceItem item)
    {
        LeftOutPieces += item.LeftOut;
        LinksOnly += item.IsLinksOnly ? 1 : 0;
        Empty += item.IsEmpty ? 1 : 0;
    }

    /// <summary>Counts and keeps refusals.</summary>
    public void AddRefused(IEnumerable<Refusal> refusals)
    {
        lock (_lock)
        {
            foreach (var refusal in refusals)
            {
                _refusals.Add(refusal);
                Interlocked.Increment(ref _settled);
            }
        }
    }

    /// <summary>Counts bytes whose documents are settled.</summary>
    public void AddBytes(long bytes) => Interlocked.Add(ref _bytes, bytes);

    /// <summary>Says what is left to be indexed.</summary>
    public void SetIndexing(long left, long retrying)
    {
        IndexingTotal = Math.Max(IndexingTotal, left);
        IndexingLeft = left;
        Retrying = retrying;
    }
}
