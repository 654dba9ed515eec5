using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.IndexingWorker;

/// <summary>How the worker works. Section <c>Indexing</c>.</summary>
public sealed class IndexingOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Indexing";

    /// <summary>Whether this process works on the queue. Others do then.</summary>
    /// <value>The default is true.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// Documents of one space in work at the same time. All spaces together have four times as many, of which each leaves half of the rest to others.
    /// </summary>
    /// <value>1 to 10,000. The default is 256.</value>
    [Range(1, 10_000)]
    public int DocumentsInWork { get; set; } = 256;

    /// <summary>The memory that documents in work may take, in MiB: texts, passages and vectors, as estimated by the lengths of the texts.</summary>
    /// <value>16 to 1,000,000. The default is 256. A document that is larger is worked on alone.</value>
    [Range(16, 1_000_000)]
    public int WorkMemory { get; set; } = 256;

    /// <summary>Tasks of one claim, at most.</summary>
    /// <value>1 to 1,000. The default is 64.</value>
    [Range(1, 1_000)]
    public int ClaimSize { get; set; } = 64;

    /// <summary>Texts of one request to the embedding service, at most.</summary>
    /// <value>1 to 100. The default is 100.</value>
    [Range(1, 100)]
    public int EmbeddingBatch { get; set; } = 100;

    /// <summary>
    /// Tokens of one request to the embedding service, at most, as estimated: the estimate is calibrated by what the space's provider counts. A
    /// text that is longer goes alone. Providers refuse requests beyond a limit of their own, such as 300,000 (OpenAI).
    /// </summary>
    /// <value>1,000 to 10,000,000. The default is 100,000.</value>
    [Range(1_000, 10_000_000)]
    public int EmbeddingBatchTokens { get; set; } = 100_000;

    /// <summary>
    /// Requests of one space to the embedding service at the same time; twice as many where workspaces that have none wait. All spaces together have four times as many, of which each leaves half of the
    /// rest to others.
    /// </summary>
    /// <value>1 to 100. The default is 5.</value>
    [Range(1, 100)]
    public int EmbeddingsInFlight { get; set; } = 5;

    /// <summary>How long one request to the embedding service may take; then its documents are given back. Longer than the client's own bound.</summary>
    /// <value>1 second to 10 minutes. The default is 2 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan EmbeddingTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a claimed task belongs to its worker unless renewed: after a crash, so long until another one takes it.</summary>
    /// <value>2 seconds to 10 minutes. The default is 15 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:02", "00:10:00")]
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// How often the queue is looked at when no notification arrives; 15 times as seldom while it is empty and notifications are known to arrive.
    /// </summary>
    /// <value>100 milliseconds to 1 minute. The default is 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Failed attempts after which a task is dead-lettered.</summary>
    /// <value>1 to 10. The default is 3.</value>
    [Range(1, 10)]
    public int MaxAttempts { get; set; } = 3;

    /// <summary>The wait after the first failed attempt; it doubles with each further one. A fifth of it is left to chance.</summary>
    /// <value>10 milliseconds to 10 minutes. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The first rest of a space whose provider does not work; doubled up to <see cref="LongestCooldown"/>.</summary>
    /// <value>10 milliseconds to 10 minutes. The default is 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan Cooldown { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The longest rest of a space whose provider does not work, and of a workspace whose budget is used up: it is asked again that often, and
    /// goes on at once when the budget is changed.
    /// </summary>
    /// <value>10 milliseconds to 1 hour. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan LongestCooldown { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stop waits for what is in work before it gives it back.</summary>
    /// <value>0 to 5 minutes. The default is 20 seconds; the host gives up after 30.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:05:00")]
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How often maintenance looks for something to do; up to 15 times as seldom while nothing happens.</summary>
    /// <value>100 milliseconds to 1 hour. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan MaintenanceInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Vectors of a space from which on it gets an HNSW index.</summary>
    /// <value>1 to 100,000,000. The default is 5,000.</value>
    [Range(1, 100_000_000)]
    public int HnswMinRows { get; set; } = 5_000;

    /// <summary><c>maintenance_work_mem</c> of an index build, as PostgreSQL writes it (<c>512MB</c>). PgBouncer does not pass it on.</summary>
    /// <value>The default is null: the server's own setting, or what the graph needs, up to a quarter of the memory available, where that can be read.</value>
    [RegularExpression("^[1-9][0-9]*(kB|MB|GB)$")]
    public string? HnswMaintenanceMemory { get; set; }

    /// <summary>How long an index stays after one of another precision has replaced it: searches may plan by it until they notice.</summary>
    /// <value>0 to 1 hour. The default is 1 minute; <c>Search:StatisticsLifetime</c> should be less.</value>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ReplacedIndexDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>After how long dead letters are discarded by themselves: out of sight, though their documents still say that they failed.</summary>
    /// <value>1 minute to 10 years. The default is 30 days.</value>
    [Range(typeof(TimeSpan), "00:01:00", "3650.00:00:00")]
    public TimeSpan DeadLetterRetention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How often the whole index is checked by itself: once in that time, however many workers there are, and whoever asks.</summary>
    /// <value>0 (never) to 365 days. The default is 1 day.</value>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan DoctorInterval { get; set; } = TimeSpan.FromDays(1);

    /// <summary>Whether that check mends what it finds.</summary>
    /// <value>The default is false: it says so in the log, and in <c>GET /v1/indexing/doctor-checks</c> of the search API.</value>
    public bool DoctorRepairs { get; set; }

    /// <summary>How long the log of changes (<c>documents_changes</c>) is kept.</summary>
    /// <value>1 minute to 365 days. The default is 7 days.</value>
    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    public TimeSpan ChangesRetention { get; set; } = TimeSpan.FromDays(7);
}

/// <summary>Validates <see cref="IndexingOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class IndexingOptionsValidator : IValidateOptions<IndexingOptions>;
