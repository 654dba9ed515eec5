using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

public sealed class AccessibilityTests(PlatformFixture platform)
{
    // What a screen reader stumbles over, and text whose contrast with its ground is below 4.5.
    private const string Audit = """
        () => {
          const faults = [];
          const visible = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
          for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")) {
            const labels = [...(e.labels ?? [])].map((l) => l.textContent).join("");
            const name = e.getAttribute("aria-label") || labels || e.textContent;
            if (visible(e) && !name.trim()) faults.push("no name: " + e.outerHTML.slice(0, 120));
          }
          for (const e of document.querySelectorAll("img:not([alt])")) faults.push("no alt: " + e.outerHTML);
          const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
          for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push("twice: #" + id);
          for (const e of document.querySelectorAll("[aria-describedby]"))
            if (!document.getElementById(e.getAttribute("aria-describedby"))) faults.push("describes nothing: " + e.outerHTML.slice(0, 120));
          let level = 0;
          for (const h of [...document.querySelectorAll("h1, h2, h3")].filter(visible)) {
            const own = Number(h.nodeName[1]);
            if (own > level + 1) faults.push(`h${own} after h${level}: ${h.textContent}`);
            level = own;
          }
          if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
          if (!document.title || !document.documentElement.lang) faults.push("no title or language");

          const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
          const rgba = (colour) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (e) => {
            for (; e; e = e.parentElement) {
              const colour = rgba(getComputedStyle(e).backgroundColor);
              if (colour[3] > 250) return colour;
            }
            return [255, 255, 255];
          };
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (texts.nextNode()) {
            const e = texts.currentNode.parentElement;
            if (!texts.currentNode.data.trim() || !visible(e) || e.closest(".unseen, .skip, caption, datalist, option")) continue;
            const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
            const contrast = (a + 0.05) / (b + 0.05);
            if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
          }
          return faults;
        }
        """;

    [Theory]
    [InlineData(ColorScheme.Light, 1280)]
    [InlineData(ColorScheme.Dark, 1280)]
    [InlineData(ColorScheme.Light, 390)]
    public async Task Pages_WithContent_HaveNoFaultAndFitTheScreen(ColorScheme scheme, int width)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var admin = await platform.OpenAsync(width);
        var page = admin.Page;
        var workspace = $"audit-{scheme.ToString().ToLowerInvariant()}-{width}";
        await platform.Rag.CreateWorkspaceAsync(new(workspace), cancellation);
        await platform.Rag.PutDocumentAsync(
            workspace,
            "a/rather/long/id/that/has/to/be/broken/somewhere/on/a/telephone.md",
            new("# Audit\n\nA passage about contrast. " + new string('x', 200), "Title"),
            TimeSpan.FromSeconds(20),
            cancellation);
        await page.EmulateMediaAsync(new() { ColorScheme = scheme });

        foreach (var path in new[]
        {
            "", "new-workspace", $"workspaces/{workspace}", $"workspaces/{workspace}/keys", "models",
            $"workspaces/{workspace}/document?id=a/rather/long/id/that/has/to/be/broken/somewhere/on/a/telephone.md", "not-found",
        })
        {
            await page.GotoAsync(path);
            await AuditAsync(page, path);
        }

        await page.GotoAsync($"search?workspace={workspace}");
        await page.GetByLabel("Query").FillAsync("contrast");
        await page.GetByLabel("Query").PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Listitem)).ToHaveCountAsync(1);
        await Expect(page.Locator("#announcement")).ToContainTextAsync("1 hit");
        await page.GetByText("Filter and options").ClickAsync();
        await AuditAsync(page, "search");
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Forms_WithoutScripts_WorkAsWell()
    {
        await using var admin = await platform.OpenAsync(scripts: false);
        var page = admin.Page;

        await page.GotoAsync("new-workspace");
        await page.GetByLabel("Name").FillAsync("No");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workspace" }).ClickAsync();
        await Expect(page.Locator("#name-error")).ToBeVisibleAsync();
        await page.GetByLabel("Name").FillAsync("scriptless");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workspace" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "scriptless", Level = 1 })).ToBeVisibleAsync();

        await page.GetByRole(AriaRole.Link, new() { Name = "Search in it" }).ClickAsync();
        await page.GetByLabel("Query").FillAsync("anything");
        await page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await Expect(page.GetByText("Nothing was found")).ToBeVisibleAsync();
    }

    private static async Task AuditAsync(IPage page, string path)
    {
        var faults = await page.EvaluateAsync<string[]>(Audit);
        var wider = await page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth");

        Assert.True(faults.Length == 0, $"{path}: {string.Join("; ", faults)}");
        Assert.True(wider == 0, $"{path} is {wider} pixels wider than the screen");
    }
}
