def handle(request):
    """Answers with a greeting. What is printed goes to the call's log."""
    name = request.text.strip() or "world"
    print(f"greeting {name}")
    return f"Hello, {name}!"
