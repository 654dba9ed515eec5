using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>Reads what an index build may use. The server can be elsewhere: only SQL is asked, and only what its role may read.</summary>
internal static class BuildResourceReader
{
    // Who may be asked about the machine: the function that a local server gets from its installer, or the files themselves.
    private const string SettingsSql = """
        SELECT pg_size_bytes(current_setting('maintenance_work_mem')), current_setting('max_parallel_maintenance_workers')::int,
               current_setting('dynamic_shared_memory_type'),
               coalesce(has_function_privilege(to_regprocedure('rag_host_file(text)'), 'EXECUTE'), false),
               pg_has_role('pg_read_server_files', 'USAGE')
        """;

    private const string HostFileSql = "SELECT rag_host_file($1)";

    // For members of pg_read_server_files only. The parts of a file: those in /proc have no length.
    private const string MountsSql = "SELECT pg_read_file('/proc/mounts', 0, 1000000, true)";

    private const string MemorySql = "SELECT pg_read_file('/proc/meminfo', 0, 100000, true)";

    private const string LimitSql = "SELECT pg_read_file('/sys/fs/cgroup/memory.max', 0, 100, true)";

    private const string LimitUsedSql = "SELECT pg_read_file('/sys/fs/cgroup/memory.current', 0, 100, true)";

    private const string SharedMemoryUsedSql = """
        SELECT coalesce(sum((pg_stat_file('/dev/shm/' || f, true)).size), 0)::text FROM pg_ls_dir('/dev/shm', true, false) f
        """;

    /// <summary>Reads. What cannot be read is null.</summary>
    /// <param name="connection">Open, and not in a transaction: a refused question would end it.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<BuildResources> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        long memory;
        int workers;
        string type;
        bool hasFunction, mayReadFiles;
        await using (var command = new NpgsqlCommand(SettingsSql, connection))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            await reader.ReadAsync(cancellationToken);
            (memory, workers, type) = (reader.GetInt64(0), reader.GetInt32(1), reader.GetString(2));
            (hasFunction, mayReadFiles) = (reader.GetBoolean(3), reader.GetBoolean(4));
        }

        // Asked without the right, each would be an error in the server's log.
        if (!hasFunction && !mayReadFiles)
        {
            return new(memory, workers, null, null);
        }

        Task<string?> AskAsync(string name, string sql) => TryAsync(connection, hasFunction ? HostFileSql : sql, hasFunction ? name : null, cancellationToken);

        var machine = await AskAsync("memory", MemorySql);
        var available = Kilobytes(machine, "MemAvailable:");
        if (available is not null
            && long.TryParse(await AskAsync("memory-limit", LimitSql), CultureInfo.InvariantCulture, out var limit)
            && long.TryParse(await AskAsync("memory-used", LimitUsedSql), CultureInfo.InvariantCulture, out var used))
        {
            available = Math.Min(available.Value, Math.Max(0, limit - used));
        }

        long? free = null;
        if (type == "posix"
            && SharedMemorySize(await AskAsync("mounts", MountsSql), Kilobytes(machine, "MemTotal:")) is { } size
            && long.TryParse(await AskAsync("shared-memory-used", SharedMemoryUsedSql), CultureInfo.InvariantCulture, out var taken))
        {
            free = Math.Max(0, size - taken);
        }

        return new(memory, workers, free, available);
    }

    /// <summary>The size of /dev/shm, in bytes.</summary>
    /// <param name="mounts">The text of /proc/mounts.</param>
    /// <param name="memory">The machine's memory: a mount without size may take half of it.</param>
    /// <returns>Null when it cannot be told.</returns>
    internal static long? SharedMemorySize(string? mounts, long? memory)
    {
        if (mounts?.Split('\n').Select(line => line.Split(' ')).LastOrDefault(f => f.Length > 3 && f[1] == "/dev/shm") is not { } mount)
        {
            return null;
        }

        var size = mount[3].Split(',').FirstOrDefault(o => o.StartsWith("size=", StringComparison.Ordinal))?["size=".Length..];
        if (size is not { Length: > 1 })
        {
            return memory / 2;
        }

        var unit = size[^1] switch { 'k' => 1024L, 'm' => 1024 * 1024, 'g' => 1024 * 1024 * 1024, _ => 1 };
        return long.TryParse(unit == 1 ? size : size[..^1], CultureInfo.InvariantCulture, out var value) ? value * unit : null;
    }

    /// <summary>A line of the text of /proc/meminfo, in bytes.</summary>
    internal static long? Kilobytes(string? text, string name)
    {
        var line = text?.Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        var number = line?[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
        return long.TryParse(number, CultureInfo.InvariantCulture, out var kilobytes) ? kilobytes * 1024 : null;
    }

    private static async Task<string?> TryAsync(
        NpgsqlConnection connection, string sql, string? parameter, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = new NpgsqlCommand(sql, connection);
            if (parameter is not null)
            {
                command.Parameters.Add(new() { Value = parameter });
            }

            return await command.ExecuteScalarAsync(cancellationToken) as string;
        }
        catch (PostgresException)
        {
            // Not for our role, or no Linux.
            return null;
        }
    }
}
