using System.Runtime.CompilerServices;
using System.Text;
using AngleSharp.Dom;

namespace RagPlatform.Cli.Ingest;

/// <summary>The lines of <c>pre</c>: its line breaks are text, <c>br</c>, and blocks such as the lines of a listing that is shown in <c>div</c>s.</summary>
internal static class PreformattedText
{
    /// <summary>The text of <paramref name="element"/>, without line breaks at its ends.</summary>
    public static string Of(IElement element)
    {
        var text = new StringBuilder();
        Append(element, text);
        return text.Replace("\r\n", "\n").Replace("\u00AD", "").Replace('\u00A0', ' ').ToString().Trim('\r', '\n').TrimEnd();
    }

    private static void Append(INode node, StringBuilder text)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var child in node.ChildNodes)
        {
            switch (child)
            {
                case IText data:
                    text.Append(data.Data);
                    break;
                case IElement { LocalName: "br" }:
                    text.Append('\n');
                    break;
                case IElement element when HtmlElements.IsUnseen(element):
                    break;
                case IElement element when HtmlElements.IsInline(element):
                    Append(element, text);
                    break;
                case IElement element:
                    BeginLine(text);
                    Append(element, text);
                    BeginLine(text);
                    break;
            }
        }
    }

    private static void BeginLine(StringBuilder text)
    {
        if (text.Length > 0 && text[^1] != '\n')
        {
            text.Append('\n');
        }
    }
}
