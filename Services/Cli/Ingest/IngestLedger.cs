using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>
/// Remembers on this machine what was put into a workspace and which revision that became, so that the next run does not send it again.
/// It is only a memory: a document counts as there when the workspace itself still has exactly that revision, so whatever else happened to
/// the workspace (edits, deletes, a restored backup, a new one of the same name) is noticed. A lost ledger costs time, nothing else.
/// </summary>
internal sealed class IngestLedger : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries;
    private readonly StreamWriter? _file;

    private IngestLedger(Dictionary<string, Entry> entries, StreamWriter? file)
    {
        _entries = entries;
        _file = file;
    }

    /// <summary>How many documents it knows.</summary>
    public int Count => _entries.Count;

    /// <summary>One that remembers nothing.</summary>
    public static IngestLedger None() => new([], null);

    /// <summary>Opens the ledger of a workspace, or one that remembers nothing when the folder cannot be written or another run has it open.</summary>
    /// <param name="folder">Where ledgers are kept.</param>
    /// <param name="api">The API's address.</param>
    /// <param name="workspace">The workspace.</param>
    public static IngestLedger Open(string folder, Uri api, Workspace workspace)
    {
        // A workspace of the same name that was created at another time is another workspace.
        var identity = string.Create(CultureInfo.InvariantCulture, $"{api}\n{workspace.Name}\n{workspace.CreatedAt.UtcTicks}");
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)), 0, 8);
        var path = Path.Combine(folder, $"{workspace.Name}-{name}.jsonl");
        try
        {
            Directory.CreateDirectory(folder);
            var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var lines = 0;
            var entries = new Dictionary<string, Entry>(StringComparer.Ordinal);
            using (var reader = new StreamReader(stream, leaveOpen: true))
            {
                for (; reader.ReadLine() is { } line; lines++)
                {
                    if (Parse(line) is { } entry)
                    {
                        entries[entry.Id] = entry;
                    }
                }
            }

            var file = new StreamWriter(stream, new UTF8Encoding(false)) { AutoFlush = false };
            if (lines > 2 * entries.Count)
            {
                stream.SetLength(0);
                foreach (var entry in entries.Values)
                {
                    file.WriteLine(JsonSerializer.Serialize(entry));
                }
            }
            else if (stream.Length > 0)
            {
                // After a kill the last line may be half of one: what follows begins on its own line.
                file.WriteLine();
            }

            return new IngestLedger(entries, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return None();
        }
    }

    /// <summary>Whether the workspace has the document as it is now.</summary>
    /// <param name="id">The document.</param>
    /// <param name="fingerprint">What it would be made of.</param>
    /// <param name="revision">The revision that the workspace has; null if it has none.</param>
    public bool IsKnown(string id, string fingerprint, long? revision) =>
        _entries.TryGetValue(id, out var entry) && entry.Fingerprint == fingerprint && entry.Revision == revision;

    /// <summary>Remembers documents that were accepted.</summary>
    public void Add(IEnumerable<(string Id, string Fingerprint, long Revision)> documents)
    {
        if (_file is null)
        {
            return;
        }

        lock (_lock)
        {
            foreach (var (id, fingerprint, revision) in documents)
            {
                _file.WriteLine(JsonSerializer.Serialize(new Entry(id, fingerprint, revision)));
            }

            _file.Flush();
        }
    }

    /// <inheritdoc />
    public void Dispose() => _file?.Dispose();

    private static Entry? Parse(string line)
    {
        try
        {
            return line.Length == 0 ? null : JsonSerializer.Deserialize<Entry>(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record Entry(string Id, string Fingerprint, long Revision);
}
