using System.Runtime.ExceptionServices;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Keeps the keyword index small and fast: moves postings from the delta into blocks, and rewrites blocks with many dead postings.
/// Each step is one transaction under a lock of its workspace: it can be killed at any moment, and any number of processes may call it.
/// </summary>
public sealed class LexicalFolder(NpgsqlDataSource dataSource)
{
    /// <summary>Chunks that one step folds, at most.</summary>
    public const int MaxChunks = 5000;

    // How much of a workspace's postings may be dead before they are removed.
    private const double MaxDeadShare = 0.2;

    private const int TermsAPage = 2000;

    // Folding early rewrites the same blocks often, folding late makes searches read a long delta: a twentieth of the workspace, or
    // whatever there is once nothing was added for a moment, keeps both small.
    private const string PendingSql = """
        SELECT c.workspace_id
        FROM (SELECT workspace_id, count(*) AS pending, max(lexical_id) AS newest FROM lexical_delta GROUP BY workspace_id) d
        FULL JOIN (SELECT workspace_id, sum(chunks) AS chunks, sum(dead) AS dead, count(*) AS entries
                   FROM lexical_counts GROUP BY workspace_id) c USING (workspace_id)
        WHERE d.pending >= least(greatest(500, c.chunks / 20), 5000)
            OR (d.pending > 0 AND d.newest <= $1)
            OR c.entries > 200
            OR c.dead > 100 + $2 * c.chunks
        ORDER BY d.pending DESC NULLS LAST
        LIMIT 100
        """;

    private const string NewestSql = "SELECT coalesce(max(lexical_id), 0) FROM lexical_delta";

    // The row lock keeps the workspace from being removed before the blocks are written.
    private const string LockSql = $"""
        SELECT CASE WHEN pg_try_advisory_xact_lock({Locks.Folding}, $1)
            THEN (SELECT count(*) FROM (SELECT FROM workspaces WHERE workspace_id = $1 FOR KEY SHARE) w) ELSE 0 END
        """;

    private const string MergeCountsSql = """
        WITH taken AS (DELETE FROM lexical_counts WHERE workspace_id = $1 RETURNING documents, chunks, length, dead)
        INSERT INTO lexical_counts (workspace_id, documents, chunks, length, dead)
        SELECT $1, sum(documents), sum(chunks), sum(length), sum(dead) FROM taken HAVING count(*) > 0
        RETURNING chunks, length, dead
        """;

    private const string TakeSql = """
        WITH taken AS (
            DELETE FROM lexical_delta d
            WHERE d.workspace_id = $1 AND d.lexical_id IN (
                SELECT lexical_id FROM lexical_delta WHERE workspace_id = $1 ORDER BY lexical_id LIMIT $2)
            RETURNING d.document_key, d.lexical_id, d.length, d.terms
        ), live AS (
            SELECT t.* FROM taken t JOIN chunks c ON c.workspace_id = $1 AND c.lexical_id = t.lexical_id
        ), corrected AS (
            INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
            SELECT $1, 0, 0, (SELECT count(*) FROM live) - (SELECT count(*) FROM taken)
            WHERE (SELECT count(*) FROM live) <> (SELECT count(*) FROM taken)
        )
        SELECT x.lexeme COLLATE "C",
               array_agg(l.document_key), array_agg(l.lexical_id), array_agg(cardinality(x.positions)), array_agg(l.length)
        FROM live l CROSS JOIN LATERAL unnest(l.terms) x
        GROUP BY 1
        """;

    private const string LastBlocksSql = """
        SELECT DISTINCT ON (term) term, block, CASE WHEN postings_count < $3 THEN postings END
        FROM lexical_blocks WHERE workspace_id = $1 AND term = ANY ($2)
        ORDER BY term, block DESC
        """;

    private const string WriteSql = """
        INSERT INTO lexical_blocks (workspace_id, term, block, postings_count, documents, highest_impact, average_length, postings)
        SELECT $1, b.term, b.block, b.postings_count, b.documents, b.highest_impact, $2, b.postings
        FROM unnest($3::text[], $4::int[], $5::int[], $6::int[], $7::real[], $8::bytea[])
            AS b (term, block, postings_count, documents, highest_impact, postings)
        ORDER BY b.term, b.block
        ON CONFLICT (workspace_id, term, block) DO UPDATE
        SET postings_count = excluded.postings_count, documents = excluded.documents, highest_impact = excluded.highest_impact,
            average_length = excluded.average_length, postings = excluded.postings
        """;

    private const string LiveIdsSql = "SELECT lexical_id FROM chunks WHERE workspace_id = $1";

    private const string PageOfTermsSql = """
        SELECT b.term, b.postings
        FROM lexical_blocks b
        WHERE b.workspace_id = $1 AND b.term = ANY (ARRAY(
            SELECT DISTINCT term FROM lexical_blocks WHERE workspace_id = $1 AND term > $2 ORDER BY term LIMIT $3))
        ORDER BY b.term, b.block
        """;

    private const string DeleteTermsSql = "DELETE FROM lexical_blocks WHERE workspace_id = $1 AND term = ANY ($2)";

    // What is dead after a compaction is what is dead in the rest of the delta, whatever was counted before. Taken before the compaction looks which ids live:
    // what dies in between is counted though it is removed, until the next time; the other way round it would stay uncounted.
    private const string CorrectDeadSql = """
        INSERT INTO lexical_counts (workspace_id, chunks, length, dead)
        SELECT $1, 0, 0, (
            SELECT count(*) FROM lexical_delta d
            WHERE d.workspace_id = $1 AND NOT EXISTS (SELECT FROM chunks c WHERE c.workspace_id = $1 AND c.lexical_id = d.lexical_id)
        ) - (SELECT coalesce(sum(dead), 0) FROM lexical_counts WHERE workspace_id = $1)
        """;

    private long _newestSeen;

    /// <summary>Folds one step in each workspace that needs it. Meant to be called every second or so.</summary>
    /// <param name="cancellationToken">Cancels; what is not committed stays to be done.</param>
    /// <returns>Chunks that were folded. When it is not 0, calling again at once may find more.</returns>
    /// <exception cref="NpgsqlException">Among others: the first failure, after every workspace had its step.</exception>
    public async Task<int> FoldAsync(CancellationToken cancellationToken)
    {
        var folded = 0;
        ExceptionDispatchInfo? failure = null;
        foreach (var workspaceId in await ListPendingAsync(cancellationToken))
        {
            try
            {
                folded += await FoldAsync(workspaceId, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                // The others behind it are not to blame.
                failure ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        failure?.Throw();
        return folded;
    }

    /// <summary>Folds one step in a workspace, and compacts it if many of its postings are dead.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="cancellationToken">Cancels; nothing is half done.</param>
    /// <returns>Chunks that were folded; 0 also when another process is at it.</returns>
    public async Task<int> FoldAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if ((long)(await ScalarAsync(connection, LockSql, cancellationToken, workspaceId))! == 0)
        {
            return 0;
        }

        var (chunks, length, dead) = await MergeCountsAsync(connection, workspaceId, cancellationToken);
        var average = chunks > 0 && length > 0 ? (double)length / chunks : 1;
        var (folded, taken) = await TakeAsync(connection, workspaceId, cancellationToken);
        if (taken.Count > 0)
        {
            await WriteAsync(connection, workspaceId, average, await MergeAsync(connection, workspaceId, taken, cancellationToken), cancellationToken);
        }

        if (dead > 100 + (MaxDeadShare * chunks))
        {
            await CompactAsync(connection, workspaceId, average, cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return folded;
    }

    private async Task<List<int>> ListPendingAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var newest = (long)(await ScalarAsync(connection, NewestSql, cancellationToken))!;
        var quietSince = Interlocked.Exchange(ref _newestSeen, newest);
        await using var command = Command(connection, PendingSql, quietSince, MaxDeadShare);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var workspaces = new List<int>();
        while (await reader.ReadAsync(cancellationToken))
        {
            workspaces.Add(reader.GetInt32(0));
        }

        return workspaces;
    }

    private static async Task<(long Chunks, long Length, long Dead)> MergeCountsAsync(
        NpgsqlConnection connection, int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, MergeCountsSql, workspaceId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)) : default;
    }

    private static async Task<(int Chunks, Dictionary<string, List<Posting>> Terms)> TakeAsync(
        NpgsqlConnection connection, int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, TakeSql, workspaceId, MaxChunks);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var terms = new Dictionary<string, List<Posting>>(StringComparer.Ordinal);
        var chunks = new HashSet<long>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var documents = reader.GetFieldValue<long[]>(1);
            var ids = reader.GetFieldValue<long[]>(2);
            var frequencies = reader.GetFieldValue<int[]>(3);
            var lengths = reader.GetFieldValue<int[]>(4);
            var postings = new List<Posting>(ids.Length);
            for (var i = 0; i < ids.Length; i++)
            {
                chunks.Add(ids[i]);
                postings.Add(new(documents[i], ids[i], frequencies[i], lengths[i]));
            }

            terms.Add(reader.GetString(0), postings);
        }

        return (chunks.Count, terms);
    }

    // Puts new postings behind those of each term's last block, if that has room.
    private static async Task<List<(string Term, int Block, List<Posting> Postings)>> MergeAsync(
        NpgsqlConnection connection, int workspaceId, Dictionary<string, List<Posting>> terms, CancellationToken cancellationToken)
    {
        var firstBlocks = new Dictionary<string, int>(StringComparer.Ordinal);
        await using (var command = Command(connection, LastBlocksSql, workspaceId, terms.Keys.ToArray(), LexicalBlock.Capacity))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                var term = reader.GetString(0);
                if (reader.IsDBNull(2))
                {
                    firstBlocks.Add(term, reader.GetInt32(1) + 1);
                    continue;
                }

                firstBlocks.Add(term, reader.GetInt32(1));
                terms[term].AddRange(LexicalBlock.Decode(reader.GetFieldValue<byte[]>(2)));
            }
        }

        return [.. terms.SelectMany(t => Split(t.Key, firstBlocks.GetValueOrDefault(t.Key), t.Value))];
    }

    private static IEnumerable<(string Term, int Block, List<Posting> Postings)> Split(string term, int firstBlock, List<Posting> postings)
    {
        postings.Sort(Posting.Compare);
        for (var i = 0; i < postings.Count; i += LexicalBlock.Capacity)
        {
            yield return (term, firstBlock++, postings.GetRange(i, Math.Min(LexicalBlock.Capacity, postings.Count - i)));
        }
    }

    private static async Task WriteAsync(
        NpgsqlConnection connection,
        int workspaceId,
        double average,
        List<(string Term, int Block, List<Posting> Postings)> blocks,
        CancellationToken cancellationToken)
    {
        await using var command = Command(
            connection,
            WriteSql,
            workspaceId,
            (float)average,
            blocks.Select(b => b.Term).ToArray(),
            blocks.Select(b => b.Block).ToArray(),
            blocks.Select(b => b.Postings.Count).ToArray(),
            blocks.Select(b => LexicalBlock.CountDocuments(LexicalBlock.Span(b.Postings))).ToArray(),
            blocks.Select(b => (float)LexicalBlock.HighestImpact(LexicalBlock.Span(b.Postings), average)).ToArray(),
            blocks.Select(b => LexicalBlock.Encode(LexicalBlock.Span(b.Postings))).ToArray());
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task CompactAsync(
        NpgsqlConnection connection, int workspaceId, double average, CancellationToken cancellationToken)
    {
        await ScalarAsync(connection, CorrectDeadSql, cancellationToken, workspaceId);
        var live = new HashSet<long>();
        await using (var command = Command(connection, LiveIdsSql, workspaceId))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                live.Add(reader.GetInt64(0));
            }
        }

        for (var last = ""; ;)
        {
            var terms = new Dictionary<string, List<Posting>>(StringComparer.Ordinal);
            await using (var command = Command(connection, PageOfTermsSql, workspaceId, last, TermsAPage))
            await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
            {
                while (await reader.ReadAsync(cancellationToken))
                {
                    last = reader.GetString(0);
                    if (!terms.TryGetValue(last, out var postings))
                    {
                        terms.Add(last, postings = []);
                    }

                    postings.AddRange(LexicalBlock.Decode(reader.GetFieldValue<byte[]>(1)));
                }
            }

            if (terms.Count == 0)
            {
                break;
            }

            var changed = terms.Where(t => t.Value.RemoveAll(posting => !live.Contains(posting.LexicalId)) > 0).ToList();
            if (changed.Count > 0)
            {
                await using var delete = Command(connection, DeleteTermsSql, workspaceId, changed.Select(t => t.Key).ToArray());
                await delete.ExecuteNonQueryAsync(cancellationToken);
                await WriteAsync(connection, workspaceId, average, [.. changed.SelectMany(t => Split(t.Key, 0, t.Value))], cancellationToken);
            }
        }
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params ReadOnlySpan<object> values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        return command;
    }

    private static async Task<object?> ScalarAsync(
        NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
