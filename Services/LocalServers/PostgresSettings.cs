namespace RagPlatform.LocalServers;

/// <summary>The server's settings for this machine, written into its data folder at every start.</summary>
internal static class PostgresSettings
{
    /// <summary>The name of the file that <c>postgresql.conf</c> includes. What stands there after the include wins over it.</summary>
    public const string FileName = "ragplatform.conf";

    private const long Megabyte = 1024 * 1024;

    /// <summary>The text of the file.</summary>
    /// <param name="memoryBytes">The memory that the process may use.</param>
    /// <param name="processors">How many processors it may use.</param>
    /// <param name="durable">
    /// False for data that nobody needs after a crash of the machine: tests. A crash of the server alone loses nothing either way.
    /// </param>
    public static string Write(long memoryBytes, int processors, bool durable)
    {
        var memory = memoryBytes / Megabyte;
        // The services and the page cache share the machine. An HNSW index is built in maintenance_work_mem, or ten times slower.
        var sharedBuffers = Math.Clamp(memory / 4, 64, durable ? 4096 : 512);
        var maintenance = Math.Clamp(memory / 16, 64, 2048);
        var workers = Math.Clamp(processors, 1, 8);
        var settings = $"""
            # Written at every start. Put your own settings after the include in postgresql.conf.
            max_connections = 100
            unix_socket_directories = ''
            password_encryption = 'scram-sha-256'
            shared_buffers = {sharedBuffers}MB
            effective_cache_size = {Math.Max(memory / 2, 128)}MB
            maintenance_work_mem = {maintenance}MB
            work_mem = 16MB
            max_worker_processes = {workers + 8}
            max_parallel_workers = {workers}
            max_parallel_workers_per_gather = {Math.Min(workers, 2)}
            max_parallel_maintenance_workers = {workers}
            jit = off
            random_page_cost = 1.1
            wal_compression = on
            min_wal_size = 128MB
            max_wal_size = 2GB
            checkpoint_timeout = 15min
            autovacuum_naptime = 15s
            autovacuum_vacuum_cost_delay = 1ms
            log_line_prefix = '%m [%p] '
            # Terse: the details of an error quote values of the row, and those are the users' documents.
            log_error_verbosity = terse
            log_checkpoints = off
            """;
        // Commits still reach the kernel, so that a killed server loses none.
        return durable ? settings + "\n" : settings + "\nfsync = off\nfull_page_writes = off\n";
    }
}
