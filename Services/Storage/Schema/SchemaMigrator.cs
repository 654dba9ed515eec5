using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>One numbered schema file.</summary>
/// <param name="Name">The file's name: <c>NNNN_name.sql</c>, or <c>functions.sql#VERSION</c>.</param>
/// <param name="Sql">Its text.</param>
public sealed record SchemaFile(string Name, string Sql)
{
    /// <summary>SHA-256 of the text: a file that was applied must never change.</summary>
    public byte[] Hash { get; } = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n")));

    /// <summary>The file of functions as they are now. It may change, with the number in its first line; what was applied of it before is replaced.</summary>
    internal const string Functions = "functions.sql#";

    /// <summary>The files of this assembly, in order: the numbered ones, then the functions.</summary>
    public static IReadOnlyList<SchemaFile> All { get; } = Load(typeof(SchemaFile).Assembly);

    private static SchemaFile[] Load(Assembly assembly) =>
    [
        .. assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".sql", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
                var (file, sql) = (string.Join('.', name.Split('.')[^2..]), reader.ReadToEnd());
                return new SchemaFile(char.IsAsciiDigit(file[0]) ? file : $"{Functions}{VersionOf(sql)}", sql);
            }),
    ];

    private static int VersionOf(string sql) =>
        int.Parse(sql.AsSpan("-- Version ".Length, sql.IndexOf(':') - "-- Version ".Length), CultureInfo.InvariantCulture);
}

/// <summary>The database has another schema than this version of the platform can work with.</summary>
/// <param name="message">Which, and what to do.</param>
public sealed class SchemaMismatchException(string message) : Exception(message);

/// <summary>
/// Brings the schema up to date when a service starts. Every service runs it; a transaction-level advisory lock lets one do the work,
/// also behind PgBouncer. While the database cannot be reached it keeps trying, and the service is not ready.
/// </summary>
public sealed partial class SchemaMigrator(NpgsqlDataSource dataSource, TimeProvider time, ILogger<SchemaMigrator> logger) : BackgroundService
{
    private const string LockSql = $"SELECT pg_advisory_xact_lock({Locks.Schema})";

    private const string CreateLedgerSql = """
        CREATE TABLE IF NOT EXISTS schema_files (
            name       text PRIMARY KEY,
            hash       bytea NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """;

    private const string ListAppliedSql = "SELECT name, hash FROM schema_files";

    private const string RecordSql = "INSERT INTO schema_files (name, hash) VALUES ($1, $2)";

    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the schema is up to date; faults with <see cref="SchemaMismatchException"/> when it cannot be.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Applies what is missing.</summary>
    /// <param name="dataSource">The database.</param>
    /// <param name="files">The schema, in order: <see cref="SchemaFile.All"/>.</param>
    /// <param name="cancellationToken">Cancels; nothing is half applied.</param>
    /// <returns>The names of the files that were applied.</returns>
    /// <exception cref="SchemaMismatchException">An applied file has changed, or the database is newer than this version.</exception>
    public static async Task<IReadOnlyList<string>> MigrateAsync(
        NpgsqlDataSource dataSource, IReadOnlyList<SchemaFile> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        ArgumentNullException.ThrowIfNull(files);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(connection, LockSql, cancellationToken);
        await ExecuteAsync(connection, CreateLedgerSql, cancellationToken);

        var applied = new Dictionary<string, byte[]>();
        await using (var list = new NpgsqlCommand(ListAppliedSql, connection))
        await using (var reader = await list.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                applied.Add(reader.GetString(0), reader.GetFieldValue<byte[]>(1));
            }
        }

        Check(files, applied);
        var missing = files.Where(file => !applied.ContainsKey(file.Name)).ToList();
        foreach (var file in missing)
        {
            await ExecuteAsync(connection, file.Sql, cancellationToken);
            await using var record = new NpgsqlCommand(RecordSql, connection);
            record.Parameters.Add(new() { Value = file.Name });
            record.Parameters.Add(new() { Value = file.Hash });
            await record.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);

        // The types of extensions: the connection's own are from before the migration, be it ours or that of another service.
        await dataSource.ReloadTypesAsync(cancellationToken);
        return [.. missing.Select(file => file.Name)];
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var delay = TimeSpan.FromMilliseconds(100); ; delay = TimeSpan.FromSeconds(Math.Min(5, delay.TotalSeconds * 2)))
        {
            try
            {
                var applied = await MigrateAsync(dataSource, SchemaFile.All, stoppingToken);
                if (applied.Count > 0)
                {
                    LogApplied(string.Join(", ", applied));
                }

                _ready.TrySetResult();
                return;
            }
            catch (SchemaMismatchException e)
            {
                LogMismatch(e.Message);
                _ready.TrySetException(e);
                return;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogWaiting(e.Message, delay.TotalSeconds);
            }

            await Task.Delay(delay, time, stoppingToken);
        }
    }

    private static void Check(IReadOnlyList<SchemaFile> files, Dictionary<string, byte[]> applied)
    {
        foreach (var (name, hash) in applied)
        {
            if (files.FirstOrDefault(f => f.Name.StartsWith(SchemaFile.Functions, StringComparison.Ordinal)) is { } functions
                && name.StartsWith(SchemaFile.Functions, StringComparison.Ordinal) && Version(name) < Version(functions.Name))
            {
                continue;
            }

            var file = files.FirstOrDefault(f => f.Name == name)
                ?? throw new SchemaMismatchException(
                    $"The database has schema file {name}, which this version does not know: start the version that wrote it, or a newer one.");
            if (!file.Hash.AsSpan().SequenceEqual(hash))
            {
                throw new SchemaMismatchException(
                    $"Schema file {name} differs from the one that was applied to the database: applied files must not change.");
            }
        }
    }

    private static int Version(string name) => int.Parse(name.AsSpan(SchemaFile.Functions.Length), CultureInfo.InvariantCulture);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        // A first start on a slow disk creates extensions and indexes: longer than the pool's command timeout.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 120 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(1, LogLevel.Information, "Applied schema files {Files}.")]
    private partial void LogApplied(string files);

    [LoggerMessage(2, LogLevel.Critical, "The database's schema cannot be used: {Reason}")]
    private partial void LogMismatch(string reason);

    [LoggerMessage(3, LogLevel.Warning, "The schema cannot be checked yet ({Reason}); trying again in {DelaySeconds} s.")]
    private partial void LogWaiting(string reason, double delaySeconds);
}
