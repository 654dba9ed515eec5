using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Options;

namespace RagPlatform.Dashboard.Access;

/// <summary>
/// The logins that have ended before their cookie did: one by one, or all of them. Kept in files beside the keys that seal cookies, where there are
/// such, so that an end outlives a restart and holds for every replica, as logins do; else in memory, which both do not survive.
/// </summary>
internal sealed class SessionLedger
{
    private const string AllFile = "all";

    private readonly ConcurrentDictionary<string, DateTimeOffset> _ended = new(StringComparer.Ordinal);
    private readonly DirectoryInfo? _folder;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private long _allEndedAt;

    public SessionLedger(IOptions<DashboardOptions> options, TimeProvider time)
    {
        (_duration, _time) = (options.Value.SessionDuration, time);
        if (options.Value.KeysFolder is { Length: > 0 } path)
        {
            _folder = PrivateFolder.Create(Path.Combine(path, "ended"));
        }
    }

    /// <summary>A name for a new login: 32 hexadecimal digits.</summary>
    public static string CreateId() => Guid.NewGuid().ToString("N");

    /// <summary>Whether a login goes on.</summary>
    /// <param name="id">Its name, as <see cref="CreateId"/> has made it.</param>
    /// <param name="startedAt">When it began.</param>
    public bool IsLive(string id, DateTimeOffset startedAt) =>
        Guid.TryParseExact(id, "N", out _)
        && startedAt.UtcTicks > ReadAllEndedAt()
        && !_ended.ContainsKey(id)
        && (_folder is null || !File.Exists(Path.Combine(_folder.FullName, id)));

    /// <summary>Ends a login, whoever has copied its cookie.</summary>
    public void End(string id)
    {
        if (!Guid.TryParseExact(id, "N", out _))
        {
            return;
        }

        Prune();
        _ended[id] = _time.GetUtcNow();
        if (_folder is not null)
        {
            File.WriteAllText(Path.Combine(_folder.FullName, id), "");
        }
    }

    /// <summary>Ends every login that has begun until now.</summary>
    public void EndAll()
    {
        var now = _time.GetUtcNow().UtcTicks;
        Interlocked.Exchange(ref _allEndedAt, now);
        if (_folder is null)
        {
            return;
        }

        // Renamed into place: another replica never reads half of it.
        var path = Path.Combine(_folder.FullName, AllFile);
        var written = $"{path}.{CreateId()}";
        File.WriteAllText(written, now.ToString(CultureInfo.InvariantCulture));
        File.Move(written, path, overwrite: true);
    }

    private long ReadAllEndedAt()
    {
        var own = Interlocked.Read(ref _allEndedAt);
        if (_folder is null)
        {
            return own;
        }

        try
        {
            var text = File.ReadAllText(Path.Combine(_folder.FullName, AllFile));
            return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var shared) ? Math.Max(own, shared) : own;
        }
        catch (FileNotFoundException)
        {
            return own;
        }
    }

    // A cookie that was copied before its login ended is prolonged no more, so it is refused by itself after its duration.
    private void Prune()
    {
        var oldest = _time.GetUtcNow() - _duration - TimeSpan.FromMinutes(1);
        foreach (var (id, endedAt) in _ended)
        {
            if (endedAt < oldest)
            {
                _ended.TryRemove(id, out _);
            }
        }

        foreach (var file in _folder?.EnumerateFiles() ?? [])
        {
            if (file.Name != AllFile && file.LastWriteTimeUtc < oldest.UtcDateTime)
            {
                file.Delete();
            }
        }
    }
}
