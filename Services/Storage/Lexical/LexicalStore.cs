using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A packed block of a term's postings.</summary>
/// <param name="Count">Postings in it.</param>
/// <param name="Documents">Different documents that they are of.</param>
/// <param name="HighestImpact">No posting of it has a higher <see cref="Bm25.Impact"/> at <paramref name="AverageLength"/>.</param>
/// <param name="AverageLength">The workspace's average length when it was written.</param>
/// <param name="Postings">To be read by <see cref="LexicalBlock.Reader"/>.</param>
public sealed record LexicalBlockRow(int Count, int Documents, double HighestImpact, double AverageLength, byte[] Postings);

/// <summary>A term of a query, with all its postings.</summary>
/// <param name="Term">The term, stemmed.</param>
/// <param name="QueryFrequency">How often it occurs in the query; less than 1 for a word that is only alike.</param>
/// <param name="Blocks">Folded postings.</param>
/// <param name="Recent">Postings that are not folded yet.</param>
public sealed record LexicalTermRow(string Term, double QueryFrequency, IReadOnlyList<LexicalBlockRow> Blocks, IReadOnlyList<Posting> Recent)
{
    /// <summary>Chunks with the term, some dead ones included.</summary>
    public long Count => Blocks.Sum(block => (long)block.Count) + Recent.Count;

    /// <summary>
    /// Documents with the term, some dead ones included. A long document whose postings are in two blocks counts twice, which an idf hardly notices.
    /// </summary>
    public long Documents => Blocks.Sum(block => (long)block.Documents) + Recent.Select(posting => posting.DocumentKey).Distinct().Count();
}

/// <summary>All that scoring a query needs, as of one moment.</summary>
/// <param name="Documents">Documents of the workspace.</param>
/// <param name="Chunks">Live chunks of the workspace.</param>
/// <param name="Length">Sum of their lengths in terms.</param>
/// <param name="Terms">The query's terms, stop words left out.</param>
public sealed record LexicalQueryRow(long Documents, long Chunks, long Length, IReadOnlyList<LexicalTermRow> Terms)
{
    /// <summary>Terms of the query that were not looked up, because it has too many.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>The average length of a chunk in terms; 1 in an empty workspace.</summary>
    public double AverageLength => Chunks > 0 && Length > 0 ? (double)Length / Chunks : 1;
}

/// <summary>Reads the keyword index. <see cref="LexicalFolder"/> maintains it, together with triggers.</summary>
public sealed class LexicalStore(NpgsqlDataSource dataSource)
{
    // One statement, so that blocks and delta are seen at the same moment: folding moves postings from one to the other.
    // Columns: term's number (0: statistics, -1: a term that is left out), term, three integers, two reals, bytes. A term's own row is the one that has the term.
    // What is in quotes goes first, then what is rarest: by how many blocks it has. What has none costs nothing to look up.
    private const string ReadSql = """
        WITH words AS MATERIALIZED (
            SELECT w.lexeme COLLATE "C" AS term, cardinality(w.positions)::real AS frequency,
                   b.block IS NULL OR row_number() OVER (
                       PARTITION BY b.block IS NULL
                       ORDER BY w.lexeme = ANY (ARRAY(SELECT lexeme FROM unnest(lexical_terms($2::text::regconfig, $7)))) DESC,
                                b.block, b.postings_count, w.lexeme COLLATE "C") <= $4 AS taken
            FROM unnest(lexical_terms($2::text::regconfig, $3)) w
            LEFT JOIN LATERAL (
                SELECT block, postings_count FROM lexical_blocks
                WHERE workspace_id = $1 AND term = w.lexeme COLLATE "C" ORDER BY block DESC LIMIT 1) b ON true
        ), q AS MATERIALIZED (
            SELECT term, sum(frequency) AS frequency, row_number() OVER () AS number
            FROM (
                SELECT term, frequency FROM words WHERE taken
                UNION ALL
                SELECT * FROM unnest($5::text[], $6::real[])
            ) all_terms
            GROUP BY term
        )
        SELECT 0::bigint, NULL::text, coalesce(sum(documents), 0)::bigint, coalesce(sum(chunks), 0)::bigint, coalesce(sum(length), 0)::bigint,
               NULL::real, NULL::real, NULL::bytea
        FROM lexical_counts WHERE workspace_id = $1
        UNION ALL
        SELECT -1, term, NULL, NULL, NULL, NULL, NULL, NULL FROM words WHERE NOT taken
        UNION ALL
        SELECT q.number, q.term, NULL, NULL, NULL, q.frequency, NULL, NULL FROM q
        UNION ALL
        SELECT q.number, NULL, b.postings_count, b.documents, NULL, b.highest_impact, b.average_length, b.postings
        FROM q JOIN lexical_blocks b ON b.workspace_id = $1 AND b.term = q.term
        UNION ALL
        SELECT q.number, NULL, d.document_key, d.lexical_id, d.length, t.frequency, NULL, NULL
        FROM lexical_delta d
        CROSS JOIN LATERAL (SELECT lexeme COLLATE "C" AS term, cardinality(positions)::real AS frequency FROM unnest(d.terms)) t
        JOIN q ON q.term = t.term
        WHERE d.workspace_id = $1
            AND d.terms @@ lexical_any(ARRAY(SELECT term FROM q))
        """;

    // Of words that are there, no others are meant. The vocabulary is the first block of each term: what is not folded yet is not in it.
    private const string SimilarSql = """
        WITH missing AS (
            SELECT lexeme COLLATE "C" AS term
            FROM unnest(lexical_terms($2::text::regconfig, $3)) words
            WHERE NOT EXISTS (SELECT FROM lexical_blocks b WHERE b.workspace_id = $1 AND b.term = words.lexeme COLLATE "C")
            LIMIT $4
        )
        SELECT s.term, s.similarity
        FROM missing m CROSS JOIN LATERAL (
            SELECT b.term, similarity(b.term, m.term) AS similarity
            FROM lexical_blocks b
            WHERE b.workspace_id = $1 AND b.block = 0 AND b.term % m.term
            ORDER BY similarity DESC, b.term LIMIT 3) s
        """;

    /// <summary>Different terms of a query that are looked up: those in quotes first, then the rarest. The rest is ignored.</summary>
    public const int MaxTerms = 64;

    /// <summary>Terms of the workspace that are spelt like those of the query that it does not have, by trigrams: at most 3 for each.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="language">Its text search configuration.</param>
    /// <param name="query">What is searched for, as the user wrote it.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>Terms with how alike they are, 0.3 to 1.</returns>
    public async Task<IReadOnlyList<(string Term, double Similarity)>> FindSimilarAsync(
        int workspaceId, string language, string query, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(SimilarSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = query });
        command.Parameters.Add(new() { Value = MaxTerms });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var similar = new List<(string, double)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            similar.Add((reader.GetString(0), reader.GetFloat(1)));
        }

        return similar;
    }

    /// <summary>Reads the postings of a query's terms, in one round trip.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="language">Its text search configuration.</param>
    /// <param name="query">What is searched for, as the user wrote it.</param>
    /// <param name="quoted">What of it must be there: its terms are looked up in any case.</param>
    /// <param name="similar">Further terms, as <see cref="FindSimilarAsync"/> gives them.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<LexicalQueryRow> ReadAsync(
        int workspaceId,
        string language,
        string query,
        string quoted,
        IReadOnlyCollection<(string Term, double Similarity)> similar,
        CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ReadSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = query });
        command.Parameters.Add(new() { Value = MaxTerms });
        command.Parameters.Add(new() { Value = similar.Select(s => s.Term).ToArray() });
        command.Parameters.Add(new() { Value = similar.Select(s => (float)s.Similarity).ToArray() });
        command.Parameters.Add(new() { Value = quoted });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        long documents = 0, chunks = 0, length = 0;
        var ignored = new List<string>();
        var terms = new SortedDictionary<long, (string Term, double Frequency, List<LexicalBlockRow> Blocks, List<Posting> Recent)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var number = reader.GetInt64(0);
            if (number == 0)
            {
                documents = reader.GetInt64(2);
                chunks = reader.GetInt64(3);
                length = reader.GetInt64(4);
            }
            else if (number < 0)
            {
                ignored.Add(reader.GetString(1));
            }
            else if (!reader.IsDBNull(1))
            {
                terms.Add(number, (reader.GetString(1), reader.GetFloat(5), [], []));
            }
            else if (!reader.IsDBNull(7))
            {
                terms[number].Blocks.Add(new(
                    (int)reader.GetInt64(2), (int)reader.GetInt64(3), reader.GetFloat(5), reader.GetFloat(6), reader.GetFieldValue<byte[]>(7)));
            }
            else
            {
                terms[number].Recent.Add(new(reader.GetInt64(2), reader.GetInt64(3), (int)reader.GetFloat(5), (int)reader.GetInt64(4)));
            }
        }

        return new(documents, chunks, length, [.. terms.Values.Select(t => new LexicalTermRow(t.Term, t.Frequency, t.Blocks, t.Recent))])
        {
            Ignored = ignored,
        };
    }
}
