using Npgsql;

namespace RagPlatform.LocalServers;

/// <summary>
/// What only a superuser can do, done once by whoever installs: the services' role, which owns the database and nothing else, the
/// extensions, and the one thing of the machine that an index build asks for.
/// </summary>
internal static class PlatformDatabase
{
    private const string MakeRoleSql = """
        SELECT format(
            CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1) THEN 'ALTER ROLE %I LOGIN PASSWORD %L'
                ELSE 'CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L' END,
            $1, $2)
        """;

    private const string MakeDatabaseSql = """
        SELECT format(
            CASE WHEN EXISTS (SELECT FROM pg_database WHERE datname = $1) THEN 'ALTER DATABASE %I OWNER TO %I'
                ELSE 'CREATE DATABASE %I OWNER %I' END,
            $1, $2)
        """;

    private const string CreateExtensionsSql = """
        CREATE EXTENSION IF NOT EXISTS vector;
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        """;

    // An index build asks how much memory there is. Reading files of the server is a superuser's right; these few may be read.
    private const string CreateHostFileSql = """
        CREATE OR REPLACE FUNCTION rag_host_file(name text) RETURNS text
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
            SELECT CASE name
                WHEN 'mounts' THEN pg_read_file('/proc/mounts', 0, 1000000, true)
                WHEN 'memory' THEN pg_read_file('/proc/meminfo', 0, 100000, true)
                WHEN 'memory-limit' THEN pg_read_file('/sys/fs/cgroup/memory.max', 0, 100, true)
                WHEN 'memory-used' THEN pg_read_file('/sys/fs/cgroup/memory.current', 0, 100, true)
                WHEN 'shared-memory-used' THEN (
                    SELECT coalesce(sum((pg_stat_file('/dev/shm/' || f, true)).size), 0)::text FROM pg_ls_dir('/dev/shm', true, false) f)
            END
        $$;
        REVOKE ALL ON FUNCTION rag_host_file(text) FROM PUBLIC;
        """;

    private const string GrantHostFileSql = "SELECT format('GRANT EXECUTE ON FUNCTION rag_host_file(text) TO %I', $1)";

    // Databases of earlier versions belong to the administrator. What an extension brought stays as it is; a sequence of a column goes
    // with its table.
    private const string ListForeignSql = """
        WITH mine AS (
            SELECT 'pg_class'::regclass AS catalog, c.oid,
                   CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind,
                   c.oid::regclass::text AS name
            FROM pg_class c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = current_user::regrole AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
              AND NOT (c.relkind = 'S' AND EXISTS (
                  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))
            UNION ALL
            SELECT 'pg_proc'::regclass, p.oid, 'ROUTINE', p.oid::regprocedure::text
            FROM pg_proc p
            WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = current_user::regrole AND p.proname <> 'rag_host_file'
            UNION ALL
            SELECT 'pg_type'::regclass, t.oid, 'TYPE', t.oid::regtype::text
            FROM pg_type t
            WHERE t.typnamespace = 'public'::regnamespace AND t.typowner = current_user::regrole AND t.typtype IN ('e', 'd')
            UNION ALL
            SELECT 'pg_statistic_ext'::regclass, s.oid, 'STATISTICS', s.stxname::text
            FROM pg_statistic_ext s
            WHERE s.stxnamespace = 'public'::regnamespace AND s.stxowner = current_user::regrole
        )
        SELECT format('ALTER %s %s OWNER TO %I', kind, name, $1) FROM mine
        WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = mine.catalog AND d.objid = mine.oid AND d.deptype = 'e')
        """;

    /// <summary>Makes the role and the database, or brings those that exist to the same state.</summary>
    /// <param name="connectionStringFor">The administrator's connection string of a database.</param>
    /// <param name="database">The database.</param>
    /// <param name="role">The services' role.</param>
    /// <param name="password">Its password.</param>
    /// <param name="cancellationToken">Cancels; the next start goes on.</param>
    public static async Task PrepareAsync(
        Func<string, string> connectionStringFor, string database, string role, string password, CancellationToken cancellationToken)
    {
        await using (var server = await OpenAsync(connectionStringFor("postgres"), cancellationToken))
        {
            await ExecuteAllAsync(server, await ListAsync(server, MakeRoleSql, cancellationToken, role, password), cancellationToken);
            await ExecuteAllAsync(server, await ListAsync(server, MakeDatabaseSql, cancellationToken, database, role), cancellationToken);
        }

        await using var inside = await OpenAsync(connectionStringFor(database), cancellationToken);
        await ExecuteAllAsync(inside, [CreateExtensionsSql, CreateHostFileSql], cancellationToken);
        await ExecuteAllAsync(inside, await ListAsync(inside, GrantHostFileSql, cancellationToken, role), cancellationToken);
        await using var transaction = await inside.BeginTransactionAsync(cancellationToken);
        await ExecuteAllAsync(inside, await ListAsync(inside, ListForeignSql, cancellationToken, role), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<NpgsqlConnection> OpenAsync(string connectionString, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    private static async Task<List<string>> ListAsync(
        NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params string[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        var statements = new List<string>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            statements.Add(reader.GetString(0));
        }

        return statements;
    }

    private static async Task ExecuteAllAsync(NpgsqlConnection connection, IReadOnlyList<string> statements, CancellationToken cancellationToken)
    {
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
