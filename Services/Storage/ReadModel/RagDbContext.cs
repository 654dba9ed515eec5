using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Npgsql;
using Pgvector;
using Pgvector.EntityFrameworkCore;

namespace RagPlatform.Storage.ReadModel;

/// <summary>
/// The schema for EF Core: for rows that are listed and edited where milliseconds do not count, and for comparing what the platform's SQL finds with a
/// query that shares nothing with it. The numbered files are the schema; there are no migrations of EF Core.
/// </summary>
public sealed class RagDbContext : DbContext
{
    private readonly SpaceRow? _space;

    private RagDbContext(DbContextOptions options, SpaceRow? space)
        : base(options) => _space = space;

    /// <summary>Workspaces, deleted ones that still have rows included.</summary>
    public DbSet<Workspace> Workspaces => Set<Workspace>();

    /// <summary>Documents.</summary>
    public DbSet<Document> Documents => Set<Document>();

    /// <summary>Chunks of documents.</summary>
    public DbSet<Passage> Passages => Set<Passage>();

    /// <summary>The queue.</summary>
    public DbSet<QueuedTask> Tasks => Set<QueuedTask>();

    /// <summary>What the vectors are of: the model is another one for each.</summary>
    internal (string Table, string Type)? VectorTable => _space is null ? null : (_space.VectorTable, $"{_space.VectorType}({_space.Dimensions})");

    /// <summary>A unit of work.</summary>
    /// <param name="dataSource">The database, with the types of pgvector: a service's, or of <see cref="StorageDataSource"/>.</param>
    /// <param name="space">The space whose vectors are wanted, or null.</param>
    public static RagDbContext Create(NpgsqlDataSource dataSource, SpaceRow? space = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        var options = new DbContextOptionsBuilder<RagDbContext>()
            .UseNpgsql(dataSource, npgsql => npgsql.UseVector())
            .ReplaceService<IModelCacheKeyFactory, SpaceModelKeyFactory>()
            .Options;
        return new(options, space);
    }

    /// <summary>Every passage of a workspace by its distance from a query: compared one by one, never by an index.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="query">A vector of the space's dimensions.</param>
    /// <param name="condition">Which documents, or null for all.</param>
    /// <returns>Nearest first, then by passage; to be cut by <c>Take</c>.</returns>
    /// <exception cref="InvalidOperationException">The context is of no space.</exception>
    public IQueryable<NearPassage> ListNearest(int workspaceId, ReadOnlyMemory<float> query, Expression<Func<Document, bool>>? condition = null)
    {
        var documents = Documents.AsNoTracking().Where(d => d.WorkspaceId == workspaceId);
        if (condition is not null)
        {
            documents = documents.Where(condition);
        }

        // HNSW serves an order by the bare operator only; what is added to it keeps it away.
        if (_space?.VectorType == "halfvec")
        {
            var half = new HalfVector(Array.ConvertAll(query.ToArray(), value => (Half)value));
            return
                from v in Set<HalfPrecisionVector>()
                join d in documents on new { v.WorkspaceId, v.DocumentKey } equals new { d.WorkspaceId, d.DocumentKey }
                orderby v.Embedding.CosineDistance(half) + 0.0, v.ChunkId
                select new NearPassage(v.ChunkId, v.DocumentKey, v.Embedding.CosineDistance(half));
        }

        var full = new Vector(query);
        return
            from v in Set<FullVector>()
            join d in documents on new { v.WorkspaceId, v.DocumentKey } equals new { d.WorkspaceId, d.DocumentKey }
            orderby v.Embedding.CosineDistance(full) + 0.0, v.ChunkId
            select new NearPassage(v.ChunkId, v.DocumentKey, v.Embedding.CosineDistance(full));
    }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        modelBuilder.Entity<Workspace>(e =>
        {
            e.ToTable("workspaces").HasKey(w => w.WorkspaceId);
            e.HasMany(w => w.Documents).WithOne(d => d.Workspace).HasForeignKey(d => d.WorkspaceId);
        });
        modelBuilder.Entity<Document>(e =>
        {
            e.ToTable("documents").HasKey(d => new { d.WorkspaceId, d.DocumentKey });
            e.Property(d => d.DocumentKey).ValueGeneratedOnAdd();
            e.Property(d => d.Metadata).HasColumnType("jsonb");
            e.Property(d => d.Revision).ValueGeneratedOnAdd();
            e.Property(d => d.CreatedAt).ValueGeneratedOnAdd();
            e.Property(d => d.UpdatedAt).ValueGeneratedOnAdd();
            e.HasMany(d => d.Passages).WithOne(p => p.Document).HasForeignKey(p => new { p.WorkspaceId, p.DocumentKey });
        });
        modelBuilder.Entity<Passage>().ToTable("chunks").HasKey(p => new { p.WorkspaceId, p.ChunkId });
        modelBuilder.Entity<QueuedTask>().ToTable("tasks").HasKey(t => new { t.WorkspaceId, t.DocumentId, t.SpaceId });
        if (VectorTable is var (table, type))
        {
            if (_space!.VectorType == "halfvec")
            {
                Map<HalfPrecisionVector>().Property(v => v.Embedding).HasColumnType(type);
            }
            else
            {
                Map<FullVector>().Property(v => v.Embedding).HasColumnType(type);
            }
        }

        foreach (var property in modelBuilder.Model.GetEntityTypes().SelectMany(entity => entity.GetProperties()))
        {
            property.SetColumnName(SnakeCase(property.Name));
        }

        Microsoft.EntityFrameworkCore.Metadata.Builders.EntityTypeBuilder<T> Map<T>()
            where T : SpaceVector
        {
            var entity = modelBuilder.Entity<T>();
            entity.ToTable(table).HasKey(v => new { v.WorkspaceId, v.ChunkId });
            entity.HasOne(v => v.Passage).WithOne().HasForeignKey<T>(v => new { v.WorkspaceId, v.ChunkId });
            return entity;
        }
    }

    private static string SnakeCase(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? "_" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));

    private sealed class SpaceModelKeyFactory : IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime) => (context.GetType(), ((RagDbContext)context).VectorTable, designTime);
    }
}
