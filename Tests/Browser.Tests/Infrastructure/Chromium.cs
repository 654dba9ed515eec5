namespace RagPlatform.Browser.Tests.Infrastructure;

/// <summary>The machine's own Chromium: nothing is downloaded.</summary>
internal static class Chromium
{
    /// <summary>What it is started with: headless as root on a machine without graphics, and silent towards the network.</summary>
    public static readonly string[] Arguments =
    [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];

    private static readonly string[] s_names = ["chromium", "chromium-browser", "google-chrome"];

    /// <summary>The program, or null if there is none on the PATH.</summary>
    public static string? Find() =>
        (from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
         from name in s_names
         let path = Path.Combine(folder, name)
         where File.Exists(path)
         select path).FirstOrDefault();
}
