using System.Diagnostics;
using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Cli;

/// <summary>
/// PostgreSQL's HTML manual, a part of it: a page that answers comes before navigation, tables of contents and the index of the book. The
/// manual is the one that is installed, else the package manager's; without either the test is skipped.
/// </summary>
public sealed class ManualTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const string Package = "postgresql-doc-15";
    private const string Place = "usr/share/doc/postgresql-doc-15/html";

    private static readonly (string Question, string[] Pages)[] s_questions =
    [
        ("difference between jsonb and json", ["datatype-json", "functions-json"]),
        ("how to vacuum a table", ["routine-vacuuming", "sql-vacuum"]),
        ("create an index concurrently", ["sql-createindex"]),
        ("transaction isolation levels", ["transaction-iso", "sql-set-transaction"]),
        ("how does logical replication handle conflicts", ["logical-replication-conflicts"]),
        ("pg_dump parallel jobs option", ["app-pgdump", "backup-dump", "populate"]),
        ("how to set work_mem", ["runtime-config-resource"]),
        ("row level security policy", ["ddl-rowsecurity", "sql-createpolicy"]),
        ("string functions substring", ["functions-string", "functions-matching"]),
        ("what does fillfactor do", ["sql-createtable", "sql-createindex"]),
    ];

    [Fact]
    public async Task Search_TenQuestions_APageThatAnswersIsAmongTheFirstThree()
    {
        using var download = new TemporaryFolder();
        var manual = FindManual(download.FullPath) ?? "";
        Assert.SkipWhen(manual.Length == 0, $"PostgreSQL's manual is not here: install {Package}.");
        await using var node = await CliNode.StartAsync(database);
        var pages = Directory.GetFiles(manual, "*.html").Order(StringComparer.Ordinal).ToArray();
        var wanted = s_questions.SelectMany(q => q.Pages).Concat(["bookindex", "index", "sql-commands", "functions"]).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < pages.Length; i++)
        {
            if (i % 16 == 0 || wanted.Contains(Path.GetFileNameWithoutExtension(pages[i])))
            {
                node.Folder.Write("manual/" + Path.GetFileName(pages[i]), await File.ReadAllBytesAsync(pages[i], TestContext.Current.CancellationToken));
            }
        }

        var run = await node.RunAsync("ingest", "manual", "--workspace", "manual", "--model", "hashing");
        Assert.Equal((ExitCode.Success, ""), (run.Exit, run.Error.Contains("refused", StringComparison.Ordinal) ? run.Error : ""));
        Assert.Matches(@"Left out: \d+ pages of links only, [\d,]+ pieces of navigation", run.Output);
        Assert.DoesNotContain("bookindex.html", await node.ListAsync("manual"));

        var missed = new List<string>();
        foreach (var (question, answers) in s_questions)
        {
            var found = await node.RunAsync("search", question, "--workspace", "manual", "--documents", "--limit", "3", "--json");
            var hits = JsonSerializer.Deserialize<SearchResponse>(found.Output, RagJson.Options)!.Hits.Select(hit => hit.DocumentId).ToArray();
            if (!hits.Any(hit => answers.Contains(Path.GetFileNameWithoutExtension(hit))))
            {
                missed.Add($"{question}: {string.Join(", ", hits)}");
            }
        }

        Assert.Empty(missed);
    }

    private static string? FindManual(string folder)
    {
        if (Directory.Exists("/" + Place))
        {
            return "/" + Place;
        }

        try
        {
            var start = new ProcessStartInfo("sh", ["-c", $"timeout 30 apt-get download {Package} && dpkg-deb -x {Package}_*.deb ."])
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(start)!;
            process.WaitForExit();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No shell, no manual.
        }

        var unpacked = Path.Combine(folder, Place);
        return Directory.Exists(unpacked) ? unpacked : null;
    }
}
